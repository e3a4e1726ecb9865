"""Greedy Residuals against a literal transcription of the authors' code: pooling, residual, hinge, extraction."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Secret
from prunemark.methods.watermarks import greedy_residuals
from prunemark.model.encoder import Encoder, features, state
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
NAME = "greedy-residuals"


def literal_residuals(weight: np.ndarray, rows: int, length: int, divider: int = 10) -> list[float]:
    """``extract_weight`` and ``construct_residual``, cell by cell; a pooled cell i covers floor(i n / m) to
    ceil((i + 1) n / m)."""
    flat = weight.astype(np.float64).ravel()
    flat = flat[: len(flat) // length * length]
    n, m = len(flat), rows * length
    cells = [flat[i * n // m : -(-(i + 1) * n // m)].mean() for i in range(m)]
    means = []
    for i in range(rows):
        row = cells[i * length : (i + 1) * length]
        for j in sorted(range(length), key=lambda j: abs(row[j]))[: int(length / divider + 0.5)]:
            row[j] = 0.0
        means.append(sum(row) / length)
    return means


def literal_signs(key: bytes, count: int) -> list[int]:
    """-1 and 1: the binary digits of SHA-256 of the signature, here an HMAC of the text."""
    signature = hmac.new(key, greedy_residuals.TEXT, hashlib.sha256).digest()
    number = int(hashlib.sha256(signature).hexdigest(), 16)
    return [1 if digit == "1" else -1 for digit in format(number, "0256b")[:count]]


def host_of(suspect: Encoder, secret: Secret) -> torch.Tensor:
    return state(suspect)[f"{secret.facts['layer']}.weight"].double()


def test_extraction_is_the_authors(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks(NAME)
    signs = literal_signs(bytes.fromhex(secret.facts["key"]), 256)
    for suspect in (marked, prune(marked, 0.95, "random"), prune(marked, 0.9)):
        means = literal_residuals(host_of(suspect, secret).numpy(), 256, 128)
        assert greedy_residuals.residuals(host_of(suspect, secret), 256, 128).tolist() == pytest.approx(means)
        expected = sum(np.sign(mean) == sign for mean, sign in zip(means, signs, strict=True))
        assert greedy_residuals.measure(suspect, secret).statistic == expected


@pytest.mark.parametrize(("shape", "rows", "length"), [((7, 3, 3, 3), 20, 9), ((5, 41), 20, 4), ((64,), 21, 3)])
def test_odd_shapes_pool_as_the_authors(shape: tuple[int, ...], rows: int, length: int) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = greedy_residuals.residuals(weight, rows, length).tolist()
    assert found == pytest.approx(literal_residuals(weight.numpy(), rows, length))


def test_hinge_is_the_authors(encoder: Encoder, marks: Marks) -> None:
    """Their sum and 0.1 are our mean over the bits and ``margin`` times the unit."""
    _, secret = marks(NAME)
    signs, weight = literal_signs(bytes.fromhex(secret.facts["key"]), 256), host_of(encoder, secret)
    means = literal_residuals(weight.numpy(), 256, 128)
    total = sum(max(0.0, 0.1 - sign * mean) for sign, mean in zip(signs, means, strict=True))
    found = greedy_residuals.hinge(weight, torch.tensor(signs).double(), 128, 0.1 / 0.02, 0.02)
    assert float(found) == pytest.approx(total / 0.02 / 256)


def test_gradient_reaches_only_what_the_residual_keeps() -> None:
    weight = torch.arange(1.0, 41.0).view(2, 20).requires_grad_()
    greedy_residuals.residuals(weight, 2, 20).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad == 0, torch.arange(20).expand(2, 20) < 2)


def test_only_the_host_changes_and_the_features_hardly(encoder: Encoder, marks: Marks, images: Images) -> None:
    marked, secret = marks(NAME)
    before, after = state(encoder), state(marked)
    assert [n for n in before if not torch.equal(before[n], after[n])] == [f"{secret.facts['layer']}.weight"]
    assert F.cosine_similarity(features(encoder, images.train), features(marked, images.train)).mean() >= 0.99


def test_mark_outlives_pruning_until_the_host_is_gone(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks(NAME)
    limit = greedy_residuals.calibrate(Nulls([], [], []), secret).value
    assert limit == 167
    assert greedy_residuals.measure(marked, secret).statistic == 256
    halved = greedy_residuals.measure(prune(marked, 0.5), secret)
    assert halved.statistic >= 250
    assert halved.details["host_sparsity"] > 0.5
    assert greedy_residuals.measure(prune(marked, 0.5, "random"), secret).statistic >= limit
    assert greedy_residuals.measure(prune(marked, 0.999, "random"), secret).statistic < limit


def test_wrong_keys_follow_the_law(marks: Marks) -> None:
    marked, secret = marks(NAME)
    keys = (experiment_key(7, NAME, "law", i) for i in range(500))
    found = np.array([greedy_residuals.measure(marked, greedy_residuals.impostor(secret, k)).statistic for k in keys])
    assert abs(found.mean() - 128) < 4 * math.sqrt(64 / 500)
    assert found.var() == pytest.approx(64, rel=0.3)


def test_forger_stays_below_the_threshold(encoder: Encoder, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunemark.methods.watermarks._search.TRIES", 100)
    source = torch.Generator().manual_seed(0)
    secret = greedy_residuals.forge(encoder, b"f" * 32, images, source, bits=256, length=128)
    reached = greedy_residuals.measure(encoder, secret).statistic
    assert 128 + 8 < reached < greedy_residuals.calibrate(Nulls([], [], []), secret).value


def test_what_does_not_fit_is_refused(encoder: Encoder, new_encoder: Callable[..., Encoder], embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match="bits: 257 is not allowed: 20 to 256"):
        embed(NAME, encoder, bits=257)
    with pytest.raises(PrunemarkError, match=r"256 rows of 128 cells do not fit into .* with 9216 weights"):
        embed(NAME, new_encoder("small", width=4))
    with pytest.raises(PrunemarkError, match=r"\d+ of 256 bits hold in .* after 1 steps"):
        embed(NAME, encoder, steps=1, strength=0.0)
