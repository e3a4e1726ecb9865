"""Procrustes similarity, against scipy's disparity."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import scipy.spatial
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.methods.checks import procrustes
from prunemark.model.encoder import Encoder, features
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
KEYS = [experiment_key(3, "procrustes", "test", i) for i in range(10)]


def cloud(points: int, width: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(2, 3, (points, width)))


@pytest.mark.parametrize(("points", "width", "other"), [(30, 5, 5), (8, 20, 20), (30, 5, 3), (30, 4, 9)])
def test_similarity_is_one_minus_scipys_disparity(points: int, width: int, other: int) -> None:
    a, b = cloud(points, width, 0), cloud(points, other, 1)
    both = max(width, other)
    padded = [np.pad(x.numpy(), ((0, 0), (0, both - x.shape[1]))) for x in (a, b)]
    disparity = scipy.spatial.procrustes(*padded)[2]
    assert procrustes.similarity(a, b) == pytest.approx(1 - disparity, abs=1e-12)
    assert procrustes.similarity(b, a) == pytest.approx(1 - disparity, abs=1e-12)


def test_rotation_reflection_scale_shift_and_padding_hide_nothing() -> None:
    a = cloud(40, 6, 0)
    rotation = torch.linalg.qr(cloud(6, 6, 1))[0]
    rotation[:, 0] *= -1
    moved = 0.01 * a @ rotation - 7
    assert procrustes.similarity(a, moved) == pytest.approx(1, abs=1e-12)
    assert procrustes.similarity(a, torch.cat([moved, torch.ones(40, 3)], dim=1)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, float("nan"), float("inf")])
def test_a_cloud_without_a_shape_is_like_nothing(value: float) -> None:
    assert procrustes.similarity(cloud(20, 4, 0), torch.full((20, 4), value)) == 0.0
    assert procrustes.similarity(cloud(20, 4, 0), cloud(19, 4, 0)) == 0.0


def test_the_secret_is_what_the_encoder_answers(encoder: Encoder, marks: Marks, read: Read) -> None:
    _, secret = marks("procrustes")
    assert torch.equal(secret.tensors["features"], features(encoder, secret.tensors["images"]))
    reading = read("procrustes", encoder, secret)
    assert reading.statistic == pytest.approx(1, abs=1e-12)
    assert reading.details == {"disparity": 1 - reading.statistic}


def test_wrong_keys_permute_the_rows(marks: Marks, read: Read) -> None:
    encoder, secret = marks("procrustes")
    for key in KEYS:
        other = procrustes.impostor(secret, key)
        rows, again = secret.tensors["features"], other.tensors["features"]
        assert sorted(rows.tolist()) == sorted(again.tolist())
        assert not torch.equal(rows, again)
        assert read("procrustes", encoder, other).statistic < 0.9


def test_light_pruning_keeps_the_shape_and_heavy_does_not(
    marks: Marks, read: Read, prune: Callable[..., Encoder]
) -> None:
    encoder, secret = marks("procrustes")
    found = [read("procrustes", prune(encoder, rate), secret).statistic for rate in (0.01, 0.3, 0.6, 0.9)]
    assert found[0] > 0.999
    assert found == sorted(found, reverse=True)


def test_threshold_lies_above_all_nulls(marks: Marks) -> None:
    threshold = procrustes.calibrate(Nulls([0.4, 0.7], [0.1], [1.0]), marks("procrustes")[1])
    assert 0.7 < threshold.value < 0.7 + 1e-12
    assert threshold.p_value == 1 / 2


def test_refusals(encoder: Encoder, embed: Embed, images: Images) -> None:
    with pytest.raises(PrunemarkError, match="5 images in the key pool; allowed: 100 or more"):
        embed("procrustes", encoder, pool=Images(images.train, images.keypool[:5]))
    broken = copy.deepcopy(encoder)
    for parameter in broken.parameters():
        parameter.detach().fill_(0)
    with pytest.raises(PrunemarkError, match="equal or not finite"):
        embed("procrustes", broken)
