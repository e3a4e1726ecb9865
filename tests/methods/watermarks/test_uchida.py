"""Uchida et al. 2017, against a literal transcription of the extraction and scipy's binomial."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Secret
from prunemark.methods.watermarks import uchida
from prunemark.methods.watermarks._host import host
from prunemark.model.encoder import Encoder, features, state
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]


def literal_matches(weight: np.ndarray, projection: np.ndarray, bits: np.ndarray) -> int:
    """Section 3.2 of the paper, index by index: mean over filters, y_j = sigmoid(sum_i X_ji w_i), b_j = y_j > 1/2."""
    filters, depth, height, width = weight.shape
    matches = 0
    for j in range(len(bits)):
        total, i = 0.0, 0
        for c in range(depth):
            for y in range(height):
                for x in range(width):
                    mean = sum(float(weight[f, c, y, x]) for f in range(filters)) / filters
                    total += float(projection[j, i]) * mean
                    i += 1
        matches += int(1 / (1 + math.exp(-total)) > 0.5) == int(bits[j])
    return matches


def test_extraction_is_the_papers(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("uchida")
    few = Secret({name: tensor[:12] for name, tensor in secret.tensors.items()}, secret.facts)
    for suspect in (marked, prune(marked, 0.9, "random"), prune(marked, 0.99, "random")):
        weight = state(suspect)[f"{secret.facts['layer']}.weight"].numpy()
        literal = literal_matches(weight, few.tensors["projection"].numpy(), few.tensors["bits"].numpy())
        assert uchida.measure(suspect, few).statistic == literal


def test_too_few_bits_are_refused_before_embedding(encoder: Encoder, embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match="allowed: 20 or more"):
        embed("uchida", encoder, bits=16)


def test_calibrated_threshold_ignores_the_nulls(marks: Marks) -> None:
    _, secret = marks("uchida")
    threshold = uchida.calibrate(Nulls([64.0], [0.0], [64.0]), secret)
    assert (threshold.value, threshold.law) == (51.0, "Bin(64, 1/2)")
    assert threshold.p_value == pytest.approx(scipy.stats.binom.sf(50, 64, 0.5))


def test_only_the_host_changes_and_the_features_hardly(encoder: Encoder, marks: Marks, images: Images) -> None:
    marked, secret = marks("uchida")
    before, after = state(encoder), state(marked)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == [f"{secret.facts['layer']}.weight"]
    cosine = F.cosine_similarity(features(encoder, images.train), features(marked, images.train)).mean()
    assert cosine >= 0.99


def test_all_bits_hold(marks: Marks) -> None:
    assert uchida.measure(*marks("uchida")).statistic == 64


def test_mark_outlives_half_of_the_weights(encoder: Encoder, embed: Embed, prune: Callable[..., Encoder]) -> None:
    for index in range(3):
        marked, secret = embed("uchida", encoder, key=experiment_key(1, "uchida", "test", index))
        for seed in range(5):
            assert uchida.measure(prune(marked, 0.5, "random", seed), secret).statistic >= 51
        assert uchida.measure(prune(marked, 0.5), secret).statistic == 64


def test_mark_dies_with_the_weights(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("uchida")
    assert uchida.measure(prune(marked, 0.99, "random"), secret).statistic < 51


def test_host_is_chosen_by_size(new_encoder: Callable[..., Encoder]) -> None:
    def chosen(**settings: object) -> str:
        return host(new_encoder("a", **settings), 4 * 64, "bits")[0]

    assert chosen(width=8) == "backbone.layer3.0.conv2"
    assert chosen(width=16) == "backbone.layer2.0.conv2"
    assert chosen(width=8, architecture="resnet50") == "backbone.layer3.0.conv2"


def test_too_small_a_host_is_refused(new_encoder: Callable[..., Encoder], embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match=r"64 bits need .* at least 256 weights per output channel, not 144"):
        embed("uchida", new_encoder("small", width=2))


def test_bits_that_do_not_hold_are_refused(encoder: Encoder, embed: Embed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uchida, "MARGIN", 0.0)
    with pytest.raises(PrunemarkError, match=r"\d+ of 64 bits hold"):
        embed("uchida", encoder, steps=1, strength=0.0)


def test_bits_and_projection_depend_on_the_key_alone() -> None:
    first, again, other = (uchida.secret_of(key, "host", 64, 288) for key in (b"a" * 32, b"a" * 32, b"b" * 32))
    for name in ("bits", "projection"):
        assert torch.equal(first.tensors[name], again.tensors[name])
        assert not torch.equal(first.tensors[name], other.tensors[name])
    assert abs(float(first.tensors["projection"].mean())) < 0.03
    assert float(first.tensors["projection"].std()) == pytest.approx(1, abs=0.03)


def law_p_value(marked: Encoder, secret: Secret, keys: int) -> float:
    """Chi-square p-value of wrong keys' matches against Bin(64, 1/2), cells with fewer than 5 expected pooled."""
    impostors = (uchida.impostor(secret, experiment_key(7, "uchida", "law", i)) for i in range(keys))
    matches = np.array([uchida.measure(marked, impostor).statistic for impostor in impostors], dtype=int)
    expected = scipy.stats.binom.pmf(np.arange(65), 64, 0.5) * keys
    low, high = np.flatnonzero(expected >= 5)[[0, -1]]
    observed = np.bincount(matches.clip(low, high), minlength=65)[low : high + 1]
    pooled = expected[low : high + 1].copy()
    pooled[0] += expected[:low].sum()
    pooled[-1] += expected[high + 1 :].sum()
    return float(scipy.stats.chisquare(observed, pooled, sum_check=False).pvalue)


def test_wrong_keys_follow_the_law(marks: Marks) -> None:
    assert law_p_value(*marks("uchida"), keys=2000) > 0.001


@pytest.mark.slow
def test_100_000_wrong_keys_follow_the_law(marks: Marks) -> None:
    assert law_p_value(*marks("uchida"), keys=100_000) > 0.001


def test_law_notices_constant_bits(marks: Marks, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason for random bits: with constant ones and a biased projection the law no longer holds."""
    marked, secret = copy.deepcopy(marks("uchida")[0]), marks("uchida")[1]
    genuine = uchida.secret_of

    def biased(key: bytes, layer: str, bits: int, size: int) -> Secret:
        drawn = genuine(key, layer, bits, size)
        mean = state(marked)[f"{layer}.weight"].mean(0).flatten()
        tensors = {"bits": torch.ones(bits, dtype=torch.uint8), "projection": drawn.tensors["projection"] + mean}
        return Secret(tensors, drawn.facts)

    monkeypatch.setattr(uchida, "secret_of", biased)
    assert law_p_value(marked, secret, keys=2000) < 1e-6
