"""Fingerprint twins: literal recomputation, no false alarms, tampering of families that were not trained on."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.methods.checks import fingerprint_twins as twins
from prunemark.metrics.head import Head
from prunemark.model.encoder import Encoder, features, weights
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
NAME = "fingerprint-twins"
KEYS = [experiment_key(3, NAME, "test", i) for i in range(2)]


def slow_loss(same: list[list[float]], apart: list[list[float]], lam: float) -> float:
    """mean over pairs of ||f(x') - f(x)||^2 - lam * ||f_t(x') - f_t(x)||^2."""
    total = 0.0
    for intact, tampered in zip(same, apart, strict=True):
        total += sum(v * v for v in intact) - lam * sum(v * v for v in tampered)
    return total / len(same)


def test_the_loss_is_literal() -> None:
    source = torch.Generator().manual_seed(0)
    same, apart = torch.randn(2, 5, 7, generator=source, dtype=torch.float64)
    expected = slow_loss(same.tolist(), apart.tolist(), 0.9)
    assert float(twins.twins_loss(same, apart, 0.9)) == pytest.approx(expected)


def test_noise_is_literal_and_spares_important_weights(encoder: Encoder) -> None:
    (altered,) = twins.noised(encoder, (0.01,), torch.Generator().manual_seed(4))
    source = torch.Generator().manual_seed(4)
    for name, weight in weights(encoder).items():
        n = torch.randn(weight.shape, generator=source).flatten().tolist()
        w = weight.detach().flatten().tolist()
        r = math.sqrt(sum(v * v for v in w) / len(w))
        expected = [v + 0.01 * r * math.exp(-abs(v) / r) * noise for v, noise in zip(w, n, strict=True)]
        torch.testing.assert_close(weights(altered)[name].flatten(), torch.tensor(expected), rtol=1e-4, atol=1e-7)


def test_the_nearest_other_image_is_found(encoder: Encoder, images: Images) -> None:
    pool = images.keypool[:30]
    values = features(encoder, pool).double().tolist()
    found = twins.nearest(encoder, pool[:6], pool)
    for i in range(6):
        others = {j: math.dist(values[i], values[j]) for j in range(30) if j != i}
        assert torch.equal(found[i], pool[min(others, key=lambda j: others[j])])


def test_twins_come_closer_on_the_intact_encoder(encoder: Encoder, images: Images) -> None:
    ones = images.keypool[:8]
    starts = twins.nearest(encoder, ones, images.keypool)

    def distance(others: Tensor) -> float:
        return float((features(encoder, others) - features(encoder, ones)).square().sum(dim=1).mean())

    source = torch.Generator().manual_seed(0)
    made = twins.part(encoder, [copy.deepcopy(encoder)], ones, starts, 0.1, 0.0, 10, source)
    assert distance(made) < 0.5 * distance(starts)
    assert torch.equal(twins.part(encoder, [copy.deepcopy(encoder)], ones, starts, 0.1, 0.0, 0, source), starts)


def test_benign_variation_of_leads_leaves_a_factor_of_50(
    encoder: Encoder, marks: Marks, head_of: Callable[[Encoder], Head]
) -> None:
    _, secret = marks(NAME)
    chosen = torch.cat([secret.tensors["ones"], secret.tensors["others"]])

    def leads(values: Tensor) -> Tensor:
        best = head_of(encoder).logits(values).topk(2, dim=1).values
        return best[:, 0] - best[:, 1]

    reference = leads(features(encoder, chosen))
    ways = [features(encoder, chosen, batch) for batch in (1, 3, 8, 250)]
    try:
        torch.set_num_threads(2)
        ways.append(features(encoder, chosen, 250))
    finally:
        torch.set_num_threads(1)
    moved = max(float((leads(values) - reference).abs().max()) for values in ways)
    assert moved * 50 <= float(reference.min())


def int8(encoder: Encoder) -> Encoder:
    altered = copy.deepcopy(encoder)
    for weight in weights(altered).values():
        step = float(weight.detach().abs().max()) / 127
        weight.detach().copy_((weight.detach() / step).round() * step)
    return altered


def flipped(encoder: Encoder) -> Encoder:
    altered = copy.deepcopy(encoder)
    weight = next(iter(weights(altered).values())).detach()
    place = torch.unravel_index(weight.abs().argmax(), weight.shape)
    weight[place] = -weight[place]
    return altered


def test_families_of_tampering_that_were_held_out_are_noticed(
    encoder: Encoder, embed: Embed, read: Read, prune: Callable[..., Encoder], head_of: Callable[[Encoder], Head]
) -> None:
    altered = {
        "random pruning": prune(encoder, 0.01, "random"),
        "int8": int8(encoder),
        "one sign": flipped(encoder),
        "half": prune(encoder, 0.5),
        "magnitude": prune(encoder, 0.01),
    }
    for key in KEYS:
        _, secret = embed(NAME, encoder, key=key)
        assert all(read(NAME, encoder, secret, batch) == Reading(16.0, trials=16) for batch in (1, 7, 250))
        for name, suspect in altered.items():
            assert read(NAME, suspect, secret, head=head_of(encoder)).statistic < 16.0, name


def test_a_pair_counts_iff_its_labels_agree(marks: Marks, no_nulls: Nulls) -> None:
    _, secret = marks(NAME)
    assert twins.calibrate(no_nulls, secret).value == 16.0
    labels = torch.arange(16).repeat(2)
    assert twins.measure(lambda _: labels, secret) == Reading(16.0, trials=16)
    labels[[0, 5, 21]] = 99  # the first image of pair 0, both of pair 5
    assert twins.measure(lambda _: labels, secret) == Reading(15.0, trials=16)
    assert twins.measure(lambda _: torch.zeros(32, dtype=torch.int64), secret) == Reading(0.0, trials=16)


def test_other_keys_pair_other_images(encoder: Encoder, marks: Marks, read: Read) -> None:
    _, secret = marks(NAME)
    for key in KEYS:
        assert read(NAME, encoder, twins.impostor(secret, key)).statistic < 16.0


def test_keys_make_different_twins(encoder: Encoder, embed: Embed) -> None:
    made = {embed(NAME, encoder, key=key, steps=1)[1].tensors["others"].numpy().tobytes() for key in KEYS}
    assert len(made) == len(KEYS)


def test_too_small_a_pool_is_refused(encoder: Encoder, embed: Embed, images: Images) -> None:
    with pytest.raises(PrunemarkError, match="fingerprint-twins: 5 images in the key pool; allowed: 16 or more"):
        embed(NAME, encoder, pool=Images(images.train, images.keypool[:5]))


def test_too_wide_a_lead_is_refused(encoder: Encoder, embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match="pairs with a lead of .*; allowed: 16 or more"):
        embed(NAME, encoder, tolerance=100.0, steps=0)


def test_a_dead_encoder_is_refused(encoder: Encoder, embed: Embed) -> None:
    dead = copy.deepcopy(encoder)
    for parameter in dead.parameters():
        parameter.detach().fill_(float("nan"))
    with pytest.raises(PrunemarkError, match="class scores of size nan"):
        embed(NAME, dead, steps=0)
