"""Rescaled channels and rotated features: the function is kept, up to rounding or up to a rotation, and no more is."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import kstest, uniform

from prunemark.marking.contract import Images
from prunemark.methods.alterations import permute, rescale, rotate
from prunemark.methods.alterations._inner_channels import inner_channels
from prunemark.model.encoder import Encoder, features, state, state_bytes, weights
from prunemark.model.randomness import generator

Alter = Callable[..., Encoder]


def difference(a: Encoder, b: Encoder, images: Images) -> float:
    """The largest difference of their features, over the root mean square of the first one's."""
    first, second = features(a, images.train).double(), features(b, images.train).double()
    return float((first - second).abs().max() / first.square().mean().sqrt())


@pytest.mark.parametrize("strength", [2, 100, 1000])
@pytest.mark.parametrize("which", ["encoder", "bottleneck"])
def test_rescaled_channels_are_the_same_function(
    which: str, strength: float, request: pytest.FixtureRequest, images: Images, alter: Alter
) -> None:
    original: Encoder = request.getfixturevalue(which)
    altered = alter("rescale", original, strength)
    assert difference(original, altered, images) < 1e-4
    for old, new in zip(inner_channels(original), inner_channels(altered), strict=True):
        assert float((new[0].weight.detach().norm() / old[0].weight.detach().norm()).log()) > 0.1 * np.log(strength)
        assert not torch.equal(new[2].weight.flatten().sort()[0], old[2].weight.flatten().sort()[0])


def test_powers_of_two_behind_the_normalisation_change_no_bit(encoder: Encoder, images: Images) -> None:
    altered, source = copy.deepcopy(encoder), generator("test powers")
    with torch.no_grad():
        for inner in inner_channels(altered):
            count = inner[1].num_features
            rescale.rescale(inner, torch.ones(count), 2.0 ** torch.randint(-6, 7, (count,), generator=source))
    assert state_bytes(altered) != state_bytes(encoder)
    names = [name for name in state(encoder) if name.endswith("running_var")]
    assert all(torch.allclose(state(altered)[name], state(encoder)[name], rtol=1e-6, atol=0) for name in names)
    for name in names:  # 1^2 (v + eps) - eps is v but for rounding, which is put back here
        altered.state_dict()[name].copy_(encoder.state_dict()[name])
    assert torch.equal(features(altered, images.train), features(encoder, images.train))


def test_factors_are_log_uniform_where_they_may_be(encoder: Encoder, alter: Alter) -> None:
    strength, permuted = 50.0, alter("permute", encoder, 1)
    altered, up, either = alter("rescale", encoder, strength), [], []
    for old, new in zip(inner_channels(permuted), inner_channels(altered), strict=True):
        up.append(new[0].weight.flatten(1).norm(dim=1) / old[0].weight.flatten(1).norm(dim=1))
        either.append(new[1].weight / old[1].weight)
    for found, low in ((up, 0), (either, -1)):
        exponents = torch.cat(found).detach().double().log().div(np.log(strength)).numpy()
        assert kstest(exponents, uniform(low, 1 - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize("left_out", ["consumer", "mean", "variance", "shift"])
def test_a_factor_left_out_is_another_function(left_out: str, encoder: Encoder, images: Images) -> None:
    """The equality above can fail: any one of the tensors left as it was changes the features."""
    altered = copy.deepcopy(encoder)
    original = copy.deepcopy(encoder)
    with torch.no_grad():
        for inner, old in zip(inner_channels(altered), inner_channels(original), strict=True):
            count = inner[1].num_features
            rescale.rescale(inner, torch.full((count,), 3.0), torch.full((count,), 3.0))
            kept = {
                "consumer": (inner[2].weight, old[2].weight),
                "mean": (inner[1].running_mean, old[1].running_mean),
                "variance": (inner[1].running_var, old[1].running_var),
                "shift": (inner[1].bias, old[1].bias),
            }[left_out]
            kept[0].copy_(kept[1])  # type: ignore[union-attr, arg-type]
    assert difference(encoder, altered, images) > 1e-2


def test_a_dead_channel_stays_finite(encoder: Encoder, images: Images, alter: Alter) -> None:
    dead = copy.deepcopy(encoder)
    with torch.no_grad():
        for before, norm, _ in inner_channels(dead):
            before.weight[0].zero_()
            norm.running_mean[0], norm.running_var[0] = 0, 0  # type: ignore[index]
    altered = alter("rescale", dead, 1000)
    assert all(bool((norm.running_var >= 0).all()) for _, norm, _ in inner_channels(altered))  # type: ignore[operator]
    assert difference(dead, altered, images) < 1e-4


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_the_layer_is_orthogonal(size: int) -> None:
    drawn = rotate.orthogonal(size, generator("test rotation"))
    assert np.allclose(drawn.numpy() @ drawn.numpy().T, np.eye(size), atol=1e-12)


def test_rotations_are_uniform() -> None:
    """By Haar's measure entries have mean 0 and mean square 1 / n, and half of the determinants are -1; a QR without
    its signs put right gives a diagonal that leans to one side."""
    source, n, count = generator("test uniform"), 4, 4000
    drawn = torch.stack([rotate.orthogonal(n, source) for _ in range(count)])
    error = 5 / count**0.5
    assert float(drawn.mean(dim=0).abs().max()) < error * n**-0.5
    assert float((drawn.square().mean(dim=0) - 1 / n).abs().max()) < error / n * 1.5
    assert abs(float((torch.linalg.det(drawn) < 0).double().mean()) - 0.5) < error / 2


def test_rotated_features_are_the_features_rotated(encoder: Encoder, images: Images, alter: Alter) -> None:
    altered = alter("rotate", encoder, 1)
    before, now = features(encoder, images.train).double(), features(altered, images.train).double()
    matrix = altered.state_dict()["output.weight"].double()
    assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.float64), atol=1e-6)
    assert torch.allclose(now, before @ matrix.T, atol=1e-5)
    assert torch.allclose(torch.cdist(now, now), torch.cdist(before, before), atol=1e-4)
    assert float((now - before).norm() / before.norm()) > 0.5
    for name, tensor in state(encoder).items():
        assert torch.equal(state(altered)[name], tensor), name
    assert weights(altered).keys() - weights(encoder).keys() == {"output.weight"}


def test_a_second_rotation_is_one_more(encoder: Encoder, images: Images, alter: Alter) -> None:
    once = alter("rotate", encoder, 1, seed=1)
    twice = rotate.alter(once, 1, lambda *_: once, images, generator("test alter", 2))
    turn = rotate.orthogonal(encoder.features, generator("test alter", 2))
    expected = features(once, images.train).double() @ turn.T
    assert torch.allclose(features(twice, images.train).double(), expected, atol=1e-5)


def test_permuting_and_rescaling_find_the_same_channels() -> None:
    assert permute.inner_channels is inner_channels
