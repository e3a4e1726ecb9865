"""SynFlow against Tanaka et al. 2020: R as a sum over paths, and the conservation laws of its theorems."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunemark.model.encoder import Encoder

Score = Callable[..., dict[str, Tensor]]


def test_the_score_of_a_weight_is_that_of_all_paths_through_it(new_stack: Callable[..., Encoder], score: Score) -> None:
    """R = 1^T |W3| |W2| |W1| 1, every path by itself: it adds its product to each of its three weights."""
    encoder = new_stack(
        nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), features=2, image_size=2
    )
    names = [f"backbone.{i}.weight" for i in (1, 3, 5)]
    w1, w2, w3 = (encoder.get_parameter(name).detach().double().abs() for name in names)
    expected = {name: torch.zeros_like(w) for name, w in zip(names, (w1, w2, w3), strict=True)}
    for a, b, c, d in itertools.product(range(12), range(4), range(3), range(2)):
        path = w1[b, a] * w2[c, b] * w3[d, c]
        for name, place in zip(names, ((b, a), (c, b), (d, c)), strict=True):
            expected[name][place] += path
    found = score("synflow", encoder, None)
    assert found.keys() == expected.keys()
    for name, part in expected.items():
        torch.testing.assert_close(found[name], part, rtol=1e-10, atol=0)


def flow(state: dict[str, Tensor], size: int) -> float:
    """R of a ResNet-18 for an input of ones: absolute weights, normalisation as a positive factor without a shift."""

    def step(x: Tensor, conv: str, norm: str, stride: int) -> Tensor:
        w = state[f"backbone.{conv}.weight"].abs()
        factor = state[f"backbone.{norm}.weight"].abs() / (state[f"backbone.{norm}.running_var"] + 1e-5) ** 0.5
        return F.conv2d(x, w, stride=stride, padding=w.shape[2] // 2) * factor[:, None, None]

    x = step(torch.ones(1, 3, size, size, dtype=torch.float64), "conv1", "bn1", 1)
    for group, block in itertools.product(range(1, 5), range(2)):
        prefix, stride = f"layer{group}.{block}", 2 if group > 1 and block == 0 else 1
        skip = step(x, f"{prefix}.downsample.0", f"{prefix}.downsample.1", stride) if stride == 2 else x
        out = step(x, f"{prefix}.conv1", f"{prefix}.bn1", stride)
        x = step(out, f"{prefix}.conv2", f"{prefix}.bn2", 1) + skip
    return float(x.mean(dim=(2, 3)).sum())


def test_on_a_residual_network_it_is_what_r_loses_with_the_weight(
    new_encoder: Callable[..., Encoder], score: Score
) -> None:
    """No path goes twice through a weight, so R is linear in each: (dR/d|w|) |w| = R - R without w."""
    encoder = new_encoder(2, 8)
    state = {name: tensor.double().contiguous() for name, tensor in encoder.state_dict().items()}
    found, whole = score("synflow", encoder, None), flow(state, 8)
    for name, part in found.items():
        flat = state[name].view(-1)
        for place in {0, len(flat) // 3, len(flat) - 1}:
            kept = flat[place].item()
            flat[place] = 0
            lost = whole - flow(state, 8)
            flat[place] = kept
            assert part.flatten()[place].item() == pytest.approx(lost, rel=1e-6, abs=1e-12 * whole), (name, place)


def test_without_skips_every_layer_carries_all_of_r(new_stack: Callable[..., Encoder], score: Score) -> None:
    """Theorem 2, network-wise conservation, with strides, biases and normalisation between the layers."""
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3, stride=2)]
    encoder = new_stack(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(20, 3), nn.Linear(3, 2), features=2)
    sums = [float(part.sum()) for part in score("synflow", encoder, None).values()]
    assert sums == pytest.approx([sums[0]] * 4, rel=1e-10)
    w = {name: p.detach().double().abs() for name, p in encoder.named_parameters() if p.dim() > 1}
    norm = encoder.backbone[1]
    x = F.conv2d(torch.ones(1, 3, 6, 6, dtype=torch.float64), w["backbone.0.weight"], padding=1)
    x = x * (norm.weight.detach().abs().double() / (norm.running_var.double() + norm.eps).sqrt())[:, None, None]
    x = F.conv2d(x, w["backbone.3.weight"], stride=2).flatten(1)
    r = float((x @ w["backbone.6.weight"].T @ w["backbone.7.weight"].T).sum())
    assert sums[0] == pytest.approx(r, rel=1e-10)


def test_what_goes_into_a_channel_comes_out_of_it(encoder: Encoder, score: Score) -> None:
    """Theorem 1, neuron-wise conservation: inside a block a channel is made by one layer and read by one."""
    found = score("synflow", encoder, None)
    for group, block in itertools.product(range(1, 5), range(2)):
        into = found[f"backbone.layer{group}.{block}.conv1.weight"].sum(dim=(1, 2, 3))
        out = found[f"backbone.layer{group}.{block}.conv2.weight"].sum(dim=(0, 2, 3))
        torch.testing.assert_close(into, out, rtol=1e-10, atol=0)


def test_signs_and_shifts_do_not_matter(encoder: Encoder, score: Score) -> None:
    """R sees absolute weights, scales and variances alone: neither images, nor signs, nor any mean."""
    changed = copy.deepcopy(encoder)
    changed.mean.fill_(0.1)
    with torch.no_grad():
        for part in changed.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.neg_()
                part.bias.add_(3)
                part.running_mean.sub_(2)
            elif isinstance(part, nn.Conv2d):
                part.weight.neg_()
    first, again = score("synflow", encoder, None), score("synflow", changed, None)
    assert all(torch.equal(first[name], again[name]) for name in first)
