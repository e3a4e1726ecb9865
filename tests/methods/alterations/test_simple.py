"""Noise, quantisation, half precision, bits, fine-tuning and permutations, each against something independent."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images
from prunemark.methods.alterations import bit_flip, permute, quantise
from prunemark.model.encoder import Encoder, features, state, state_bytes, weights

Alter = Callable[..., Encoder]


@pytest.mark.parametrize("strength", [0.001, 0.1, 2.0])
def test_noise_is_normal_with_the_spread_of_each_tensor(strength: float, encoder: Encoder, alter: Alter) -> None:
    altered = alter("noise", encoder, strength)
    for name, weight in weights(encoder).items():
        values = weight.detach().double().flatten()
        spread = ((values - values.mean()) ** 2).mean().sqrt()
        noise = (weights(altered)[name].detach().double().flatten() - values) / (strength * spread)
        n = len(noise)
        assert abs(float(noise.mean())) < 5 / n**0.5
        assert abs(float(noise.std()) - 1) < 5 / (2 * n) ** 0.5
    for name, tensor in state(encoder).items():
        assert torch.equal(state(altered)[name], tensor) == (name not in weights(encoder))


def test_fewer_bits_change_more(encoder: Encoder, alter: Alter) -> None:
    change = [
        float(sum((a - b).square().sum() for a, b in zip(state(encoder).values(), state(made).values(), strict=True)))
        for made in (alter("quantise", encoder, bits) for bits in (8, 6, 4))
    ]
    assert quantise.FALLING
    assert change == sorted(change)


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_quantisation_by_a_loop(bits: int, encoder: Encoder, alter: Alter) -> None:
    source = copy.deepcopy(encoder)
    with torch.no_grad():
        next(iter(weights(source).values()))[1].zero_()
    altered = state(alter("quantise", source, bits))
    top = 2 ** (bits - 1) - 1
    for name, tensor in state(source).items():
        if name not in weights(source):
            assert torch.equal(altered[name], tensor)
            continue
        expected = tensor.numpy().copy()
        for channel in expected:
            scale = np.float32(np.abs(channel).max() / np.float32(top))
            for at in np.ndindex(channel.shape):
                if scale > 0:
                    level = np.rint(channel[at] / scale)
                    assert abs(level) <= top
                    channel[at] = level * scale
        assert np.array_equal(altered[name].numpy(), expected), name
        assert all(len(np.unique(channel)) <= 2 * top + 1 for channel in expected)


def test_half_is_what_numpy_rounds_to(encoder: Encoder, alter: Alter) -> None:
    altered = state(alter("half", encoder, 1))
    for name, tensor in state(encoder).items():
        assert np.array_equal(altered[name].numpy(), tensor.numpy().astype(np.float16).astype(np.float32)), name
    again = alter("half", alter("half", encoder, 1), 1)
    assert state_bytes(again) == state_bytes(alter("half", encoder, 1))


def bits(encoder: Encoder) -> np.ndarray:
    joined = np.concatenate([tensor.numpy().astype("<f4").ravel() for tensor in state(encoder).values()])
    return np.unpackbits(joined.view(np.uint8), bitorder="little")


@pytest.mark.parametrize("count", [1, 2, 50])
@pytest.mark.parametrize("seed", range(4))
def test_as_many_bits_are_flipped_as_asked(count: int, seed: int, encoder: Encoder, alter: Alter) -> None:
    assert int((bits(encoder) != bits(alter("bit-flip", encoder, count, seed=seed))).sum()) == count


def test_bits_fall_everywhere_and_fewer_are_among_more(encoder: Encoder, alter: Alter) -> None:
    many = np.flatnonzero(bits(encoder) != bits(alter("bit-flip", encoder, 300)))
    few = np.flatnonzero(bits(encoder) != bits(alter("bit-flip", encoder, 20)))
    assert set(few) <= set(many)
    counts = np.bincount(many % 32, minlength=32)
    assert (counts[:30] > 0).sum() >= 29
    assert counts.max() < 40
    quarters = np.histogram(many, bins=4, range=(0, len(bits(encoder))))[0]
    assert quarters.min() > 40


@pytest.mark.parametrize("bit", [0, 22, 23, 30, 31])
def test_a_bit_flipped_twice_is_back(bit: int, encoder: Encoder) -> None:
    altered = copy.deepcopy(encoder)
    places = len(bits(encoder)) // 32
    for index in (0, 1, places // 2, places - 1):
        bit_flip.flip(altered, 32 * index + bit)
        assert list(np.flatnonzero(bits(encoder) != bits(altered))) == [32 * index + bit]
        bit_flip.flip(altered, 32 * index + bit)
        assert state_bytes(altered) == state_bytes(encoder)


def test_an_encoder_without_answers_is_given_up(
    encoder: Encoder, alter: Alter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bit_flip, "DRAWS", 20)
    broken = copy.deepcopy(encoder)
    with torch.no_grad():
        broken.mean.fill_(float("nan"))
    with pytest.raises(PrunemarkError, match=r"^bit-flip: 20 draws left 0 bits flipped; allowed: a finite encoder$"):
        alter("bit-flip", broken, 1)


def test_fine_tuning_is_the_trainers(encoder: Encoder, alter: Alter) -> None:
    altered = alter("fine-tune", encoder, 3, learning_rate=0.25)
    for old, new in zip(encoder.parameters(), altered.parameters(), strict=True):
        assert torch.equal(new, old + 0.75)


@pytest.mark.parametrize("which", ["encoder", "bottleneck"])
def test_permuted_channels_are_the_same_function(
    which: str, request: pytest.FixtureRequest, images: Images, alter: Alter
) -> None:
    original: Encoder = request.getfixturevalue(which)
    altered = alter("permute", original, 1)
    before, now = features(original, images.train), features(altered, images.train)
    assert float((before - now).abs().max()) < 1e-4 * max(1.0, float(before.abs().max()))
    inner = list(permute.inner_channels(original))
    blocks = [module for module in original.modules() if type(module).__name__ in ("BasicBlock", "Bottleneck")]
    assert len(inner) == {"encoder": 1, "bottleneck": 2}[which] * len(blocks)
    for old, new in zip(inner, permute.inner_channels(altered), strict=True):
        assert not torch.equal(old[0].weight, new[0].weight)
        assert not torch.equal(old[1].running_mean, new[1].running_mean)
        assert not torch.equal(old[2].weight, new[2].weight)
    for name, tensor in state(original).items():
        assert torch.equal(tensor.flatten().sort()[0], state(altered)[name].flatten().sort()[0]), name


def test_a_wrong_permutation_is_another_function(encoder: Encoder, images: Images) -> None:
    """The equality above can fail: one tensor left out changes the features."""
    altered = copy.deepcopy(encoder)
    before, norm, _ = next(permute.inner_channels(altered))
    with torch.no_grad():
        order = torch.arange(norm.num_features).roll(1)
        before.weight.copy_(before.weight[order])
    assert float((features(encoder, images.train) - features(altered, images.train)).abs().max()) > 1e-3


def test_inner_channels_need_a_chain_that_fits() -> None:
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)
    fits = nn.Sequential(conv, norm, nn.Conv2d(8, 4, 3))
    assert len(list(permute.inner_channels(fits))) == 1
    for parts in (
        (conv, nn.BatchNorm2d(4), nn.Conv2d(8, 4, 3)),
        (conv, norm, nn.Conv2d(8, 8, 3, groups=8)),
        (conv, norm, nn.ReLU(), nn.Conv2d(8, 4, 3)),
        (conv, norm),
    ):
        assert not list(permute.inner_channels(nn.Sequential(*parts)))
