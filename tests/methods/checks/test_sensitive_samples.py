"""Sensitive samples by label and by features: no false alarms, light pruning, other keys, refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.methods.checks import sensitive_samples, sensitive_samples_features
from prunemark.metrics.head import Head
from prunemark.model.encoder import Encoder, features
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
NAMES = ("sensitive-samples", "sensitive-samples-features")
KEYS = [experiment_key(3, "sensitive-samples", "test", i) for i in range(2)]


def ways(encoder: Encoder, chosen: Tensor, pool: Tensor) -> list[Tensor]:
    """Features of ``chosen`` in several batch sizes, thread counts and surroundings."""
    found = [features(encoder, chosen, batch) for batch in (1, 3, 8, 250)]
    try:
        torch.set_num_threads(2)
        found.append(features(encoder, torch.cat([chosen, pool]), 250)[: len(chosen)])
    finally:
        torch.set_num_threads(1)
    return found


def test_benign_variation_of_margins_leaves_a_factor_of_50(
    encoder: Encoder, images: Images, marks: Marks, head_of: Callable[[Encoder], Head]
) -> None:
    _, secret = marks("sensitive-samples")
    chosen, labels = secret.tensors["images"], secret.tensors["labels"]

    def leads(values: Tensor) -> Tensor:
        best = head_of(encoder).logits(values).topk(2, dim=1)
        assert torch.equal(best.indices[:, 0], labels)
        return best.values[:, 0] - best.values[:, 1]

    reference = leads(features(encoder, chosen))
    moved = max(float((leads(values) - reference).abs().max()) for values in ways(encoder, chosen, images.keypool))
    assert moved * 50 <= float(reference.min())


def test_benign_variation_of_features_leaves_a_factor_of_50(encoder: Encoder, images: Images, marks: Marks) -> None:
    _, secret = marks("sensitive-samples-features")
    chosen, values = secret.tensors["images"], secret.tensors["features"]
    moved = max(float((found - values).abs().max()) for found in ways(encoder, chosen, images.keypool))
    assert moved * 50 <= secret.facts["limit"]


@pytest.mark.parametrize("name", NAMES)
def test_pruning_one_percent_is_noticed_and_the_intact_encoder_is_not(
    name: str,
    encoder: Encoder,
    embed: Embed,
    read: Read,
    prune: Callable[..., Encoder],
    head_of: Callable[[Encoder], Head],
) -> None:
    pruned, head = prune(encoder, 0.01), head_of(encoder)
    for key in KEYS:
        _, secret = embed(name, encoder, key=key)
        assert read(name, encoder, secret, 7) == Reading(16.0, trials=16)
        assert read(name, pruned, secret, head=head).statistic < 16.0


def test_the_paper_without_boundary_keeps_samples_where_the_ascent_left_them(
    encoder: Encoder,
    images: Images,
    embed: Embed,
    read: Read,
    prune: Callable[..., Encoder],
    head_of: Callable[[Encoder], Head],
) -> None:
    _, plain = embed("sensitive-samples", encoder, boundary=False, steps=0)
    pool = {image.numpy().tobytes() for image in images.keypool}
    assert all(image.numpy().tobytes() in pool for image in plain.tensors["images"])
    _, near = embed("sensitive-samples", encoder, steps=0)
    lightly = prune(encoder, 0.02)
    found = [read("sensitive-samples", lightly, held, head=head_of(encoder)).statistic for held in (plain, near)]
    assert found[1] < found[0]


def test_features_are_compared_one_by_one(marks: Marks) -> None:
    _, secret = marks("sensitive-samples-features")
    values, limit = secret.tensors["features"], secret.facts["limit"]
    unit = 0.0001 * float(values.double().pow(2).mean()) ** 0.5
    assert unit * (1 - 1e-12) <= limit < 3 * unit
    for rows, move, same in ((1, 0.9, 16), (1, 1.1, 15), (3, -1.1, 13), (16, 5.0, 0)):
        moved = values.clone().double()
        moved[:rows, 4] += move * limit
        assert sensitive_samples_features.measure(lambda _, found=moved: found, secret).statistic == same
    assert sensitive_samples_features.measure(lambda _: values[:, :-1], secret).statistic == 0
    assert sensitive_samples_features.measure(lambda _: values * float("nan"), secret).statistic == 0


def test_labels_are_compared_one_by_one(marks: Marks) -> None:
    _, secret = marks("sensitive-samples")
    labels = secret.tensors["labels"].clone()
    labels[:2] += 1
    assert sensitive_samples.measure(lambda _: labels, secret) == Reading(14.0, trials=16)


@pytest.mark.parametrize("name", NAMES)
def test_other_keys_hold_nothing(name: str, encoder: Encoder, marks: Marks, read: Read, no_nulls: Nulls) -> None:
    module = {"sensitive-samples": sensitive_samples, "sensitive-samples-features": sensitive_samples_features}[name]
    _, secret = marks(name)
    assert module.calibrate(no_nulls, secret).value == 16.0
    for key in KEYS:
        assert read(name, encoder, module.impostor(secret, key)).statistic < 16.0


@pytest.mark.parametrize("name", NAMES)
def test_keys_make_different_samples(name: str, encoder: Encoder, embed: Embed) -> None:
    made = {
        embed(name, encoder, key=key, steps=1, bag=16, tolerance=1e-6)[1].tensors["images"].numpy().tobytes()
        for key in KEYS
    }
    assert len(made) == len(KEYS)


@pytest.mark.parametrize("name", NAMES)
def test_too_small_a_pool_is_refused(name: str, encoder: Encoder, embed: Embed, images: Images) -> None:
    with pytest.raises(PrunemarkError, match=f"{name}: 5 images in the key pool; allowed: 16 or more"):
        embed(name, encoder, pool=Images(images.train, images.keypool[:5]))


def test_too_wide_a_margin_is_refused(encoder: Encoder, embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match="images with a margin of .*; allowed: 16 or more"):
        embed("sensitive-samples", encoder, tolerance=100.0, steps=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_dead_encoder_is_refused(name: str, encoder: Encoder, embed: Embed) -> None:
    dead = copy.deepcopy(encoder)
    for parameter in dead.parameters():
        parameter.detach().fill_(0.0)
    with pytest.raises(PrunemarkError, match=name):
        embed(name, dead, steps=0)
