"""Quantised activations: rounding by a loop, ranges by hand, and layers that see no more values than bits allow."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunemark.marking.contract import Images
from prunemark.methods.alterations import quantise_activations
from prunemark.model.activations import layers, round_inputs
from prunemark.model.encoder import Encoder, features, state

Alter = Callable[..., Encoder]


def rounded(values: np.ndarray, low: float, high: float, bits: int) -> np.ndarray:
    """Jacob et al. 2018, equation 1, in float32, value by value."""
    top = 2**bits - 1
    scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(top))
    zero = np.clip(np.rint(np.float32(-low) / scale), 0, top)
    found = np.empty_like(values)
    for i, x in enumerate(values):
        level = min(max(np.rint(np.float32(x * (np.float32(1) / scale))) + zero, 0), top)
        found[i] = np.float32(level - zero) * scale
    return found


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize(("low", "high"), [(0.0, 3.7), (-1.3, 2.0), (-5.0, 0.0)])
def test_a_layer_rounds_what_it_sees(bits: int, low: float, high: float) -> None:
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
    round_inputs(layer, bits)
    layer.get_buffer("input_range").copy_(torch.tensor([low, high]))
    values = np.linspace(2 * low - 1, 2 * high + 1, 999, dtype=np.float32)
    with torch.no_grad():
        found = layer(torch.from_numpy(values)[:, None])[:, 0].numpy()
    places = values / ((high - low) / (2**bits - 1))
    clear = np.abs(places - np.floor(places) - 0.5) > 1e-3  # elsewhere float32 decides which of two levels is nearer
    assert clear.mean() > 0.9
    assert np.allclose(found[clear], rounded(values, low, high, bits)[clear], atol=1e-6)
    assert len(np.unique(found)) <= 2**bits
    assert layer(torch.zeros(1, 1)).tolist() == [[0.0]]


def seen_by_layers(encoder: Encoder, images: Tensor) -> dict[str, Tensor]:
    """What every convolution gets to see, after whatever rounds it."""
    found: dict[str, Tensor] = {}
    names = {layer: name for name, layer in encoder.named_modules()}

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        found[names[layer]] = inputs[0].clone()

    hooks = [layer.register_forward_hook(keep) for layer in layers(encoder)]
    features(encoder, images)
    for hook in hooks:
        hook.remove()
    return found


def test_ranges_are_those_of_the_images_and_hold_zero(
    encoder: Encoder, images: Images, alter: Alter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantise_activations, "CALIBRATED", len(images.train))
    altered, seen = alter("quantise-activations", encoder, 8), seen_by_layers(encoder, images.train[:50])
    again = quantise_activations.input_ranges(encoder, images.train[:50])
    for name, values in seen.items():
        low, high = again[f"{name}.input_range"].tolist()
        assert low == min(0.0, float(values.min())), name
        assert high == max(0.0, float(values.max())), name
        wide = state(altered)[f"{name}.input_range"]
        assert float(wide[0]) <= low <= high <= float(wide[1])


@pytest.mark.parametrize("bits", [2, 4])
def test_no_layer_sees_more_values_than_its_bits_allow(
    bits: int, encoder: Encoder, images: Images, alter: Alter
) -> None:
    altered = alter("quantise-activations", encoder, bits)
    assert [len(values.unique()) > 2**bits for values in seen_by_layers(encoder, images.train).values()]
    for name, values in seen_by_layers(altered, images.train).items():
        assert 1 < len(values.unique()) <= 2**bits, name


def test_weights_stay_and_fewer_bits_change_more(encoder: Encoder, images: Images, alter: Alter) -> None:
    before, changes = features(encoder, images.train), []
    for bits in (8, 6, 4, 2):
        altered = alter("quantise-activations", encoder, bits)
        for name, tensor in state(encoder).items():
            assert torch.equal(state(altered)[name], tensor), name
        changes.append(float((features(altered, images.train) - before).norm() / before.norm()))
    assert quantise_activations.FALLING
    assert changes == sorted(changes)
    assert 0 < changes[0] < 0.05


def test_a_layer_that_was_calibrated_on_zeros_sees_next_to_nothing() -> None:
    layer = nn.Linear(2, 2, bias=False)
    round_inputs(layer, 8)
    assert float(layer(torch.full((1, 2), 1e6)).detach().abs().max()) < 1e-4
    assert torch.equal(layer(torch.zeros(1, 2)), torch.zeros(1, 2))


def test_a_copy_rounds_by_ranges_of_its_own(encoder: Encoder, images: Images, alter: Alter) -> None:
    altered = alter("quantise-activations", encoder, 8)
    moved, before = copy.deepcopy(altered), features(altered, images.train)
    for layer in layers(moved):
        layer.get_buffer("input_range").mul_(0.1)
    assert not torch.allclose(features(moved, images.train), before)
    assert torch.equal(features(altered, images.train), before)
