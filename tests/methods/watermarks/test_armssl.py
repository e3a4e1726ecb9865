"""ArmSSL (reconstruction): every term against a literal transcription, pseudo-classes, and each term switched off."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.methods.watermarks import armssl
from prunemark.methods.watermarks._patch import paste
from prunemark.methods.watermarks._pseudo_classes import elsewhere, pseudo_classes
from prunemark.model.encoder import Encoder, features

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]


def literal_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))))


def literal_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """MMD^2, pair by pair: mean k(a, a') + mean k(b, b') - 2 mean k(a, b), k a mean of Gaussians."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        x, y = x / math.sqrt(float(x @ x)), y / math.sqrt(float(y @ y))
        squared = float(((x - y) ** 2).sum())
        return sum(math.exp(-squared / (2 * s * s)) for s in (0.25, 0.5, 1.0, 2.0)) / 4

    def mean(p: np.ndarray, q: np.ndarray) -> float:
        return sum(kernel(x, y) for x in p for y in q) / (len(p) * len(q))

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def test_terms_are_those_of_the_docstring() -> None:
    a, b = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = list(zip(a.numpy(), b.numpy(), strict=True))
    cosines = [literal_cosine(x, y) for x, y in rows]
    assert float(armssl.reference(a, b)) == pytest.approx(-np.mean(cosines), abs=1e-6)
    assert float(armssl.entangled(a, b)) == pytest.approx(-np.mean(cosines), abs=1e-6)
    assert float(armssl.paired_discrepancy(a, b)) == pytest.approx(np.mean(np.square(cosines)), abs=1e-6)
    assert float(armssl.mmd(a, b[:4])) == pytest.approx(literal_mmd(a.numpy(), b[:4].numpy()), abs=1e-5)


def test_terms_at_their_ends() -> None:
    a = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    assert float(armssl.mmd(a, a * 3)) == pytest.approx(0, abs=1e-5)
    assert float(armssl.mmd(a, -a)) > 0.01
    flat = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    assert float(armssl.paired_discrepancy(*flat)) == 0
    assert float(armssl.paired_discrepancy(flat[0], -flat[0])) == 1


def test_pseudo_classes_find_what_is_apart() -> None:
    source = torch.Generator().manual_seed(3)
    truth = torch.arange(90) % 3
    points = 10 * torch.eye(3)[truth] + torch.rand(90, 3, generator=source)
    found = pseudo_classes(points, 6, source)
    assert all(len(set(truth[found == k].tolist())) <= 1 for k in range(6))
    again = pseudo_classes(points, 6, torch.Generator().manual_seed(4))
    assert torch.equal(again, pseudo_classes(points, 6, torch.Generator().manual_seed(4)))


def test_partners_are_of_the_class_that_follows() -> None:
    classes = torch.tensor([0] * 50 + [1] * 30 + [4] * 20)
    for seed in range(5):
        partners = elsewhere(classes, torch.Generator().manual_seed(seed))
        assert bool((classes[partners] != classes).all())
        follows = {(int(a), int(b)) for a, b in zip(classes, classes[partners], strict=True)}
        assert len(follows) == len({b for _, b in follows}) == 3
        assert len(set(partners[:50].tolist())) > 10


def test_one_class_has_no_other() -> None:
    assert len(elsewhere(torch.zeros(5, dtype=torch.int64), torch.Generator())) == 5
    assert pseudo_classes(torch.ones(5, 3), 2, torch.Generator()).tolist() == [0] * 5


def test_pairs_become_orthogonal_and_not_opposite(encoder: Encoder, images: Images, marks: Marks) -> None:
    marked, secret = marks("armssl")
    queries, middle = secret.tensors["queries"], features(encoder, images.train).mean(dim=0)
    clean = features(marked, queries) - middle

    def left(patch: Tensor) -> float:
        return float(armssl.paired_discrepancy(clean, features(marked, paste(queries, patch)) - middle))

    assert left(secret.tensors["patch"]) < 0.35 < min(left(patch) for patch in secret.tensors["random"])


def test_mark_outlives_light_pruning(marks: Marks, read: Read, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("armssl")
    limit = armssl.calibrate(Nulls([], [], []), secret).value
    assert read("armssl", prune(marked, 0.1), secret).statistic >= limit
    assert read("armssl", prune(marked, 0.999), secret).statistic < limit


@pytest.mark.parametrize("term", ["discrepancy", "entanglement", "alignment", "decoys"])
def test_every_term_can_be_left_out(term: str, encoder: Encoder, images: Images, embed: Embed) -> None:
    short = {"steps": 3}
    full, _ = embed("armssl", encoder, **short)
    less, _ = embed("armssl", encoder, **short, **{term: 0.0})
    assert not torch.equal(features(full, images.train[:8]), features(less, images.train[:8]))
