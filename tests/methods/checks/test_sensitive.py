"""Shared parts of the sensitive samples and twins: literal recomputation, brute force, exact properties."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images
from prunemark.methods.checks import _bag, _boundary, _sensitive
from prunemark.metrics.head import Head
from prunemark.model.encoder import Encoder, to_float

KEYS = [bytes([i]) * 32 for i in range(10)]


def tiny_model() -> nn.Sequential:
    """Float64; the last convolution has a stride, padding and a nonlinearity after it."""
    torch.manual_seed(3)
    parts = [nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.Softplus()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)).double().eval()


def slow_squared_norms(model: nn.Module, weights: list[Tensor], images: Tensor, directions: Tensor) -> list[float]:
    """||d(u . y) / dW||_F^2, one image at a time, each weight's slope summed up by itself."""
    found = []
    for image, u in zip(images, directions, strict=True):
        y = model(image[None])[0]
        value = sum(u[j] * y[j] for j in range(len(y)))
        slopes = torch.autograd.grad(value, weights)
        found.append(sum(float(entry) ** 2 for slope in slopes for entry in slope.flatten()))
    return found


@pytest.mark.parametrize("count", [1, 2])
def test_sensitivity_is_the_gradients_norm(count: int) -> None:
    model, source = tiny_model(), torch.Generator().manual_seed(1)
    convolutions = [part for part in model if isinstance(part, nn.Conv2d)][-count:]
    images = torch.rand(4, 3, 6, 6, generator=source, dtype=torch.float64).requires_grad_()
    directions = torch.randn(4, 3, generator=source, dtype=torch.float64)
    found = _sensitive.sensitivity(model, images, convolutions, directions)
    expected = slow_squared_norms(model, [part.weight for part in convolutions], images, directions)
    assert found.tolist() == pytest.approx(expected, rel=1e-10)


def test_the_mean_over_directions_is_the_jacobians_norm() -> None:
    model, source = tiny_model(), torch.Generator().manual_seed(2)
    last = model[2]
    image = torch.rand(1, 3, 6, 6, generator=source, dtype=torch.float64)
    weight, h = last.weight.detach().clone(), 1e-5
    jacobian = 0.0  # by finite differences, weight by weight
    with torch.no_grad():
        for place in np.ndindex(*weight.shape):
            ends = []
            for sign in (1, -1):
                last.weight.copy_(weight)
                last.weight[place] += sign * h
                ends.append(model(image)[0])
            jacobian += float((((ends[0] - ends[1]) / (2 * h)) ** 2).sum())
        last.weight.copy_(weight)
    draws = 20_000
    directions = torch.randn(draws, 3, generator=source, dtype=torch.float64)
    many = image.expand(draws, -1, -1, -1).clone().requires_grad_()
    mean = float(_sensitive.sensitivity(model, many, [last], directions).detach().mean())
    basis = _sensitive.sensitivity(model, many[:3], [last], torch.eye(3, dtype=torch.float64))
    assert float(basis.detach().sum()) == pytest.approx(jacobian, rel=1e-6)
    assert mean == pytest.approx(jacobian, rel=0.03)


def test_the_last_convolutions_are_found_by_type() -> None:
    model = tiny_model()
    assert _sensitive.last_convolutions(model, 1) == [model[2]]
    assert _sensitive.last_convolutions(model, 9) == [model[0], model[2]]
    with pytest.raises(PrunemarkError, match="without convolutions"):
        _sensitive.last_convolutions(nn.Linear(2, 2), 1)


def test_ascent_raises_sensitivity_and_stays_in_the_ball(encoder: Encoder, images: Images) -> None:
    starts, radius = images.keypool[:12], 0.05

    def rated(made: Tensor) -> Tensor:
        return _sensitive.rated(encoder, lambda values: values, made, torch.Generator().manual_seed(0))

    def ascend(steps: int) -> Tensor:
        source = torch.Generator().manual_seed(5)
        return _sensitive.ascend(encoder, lambda v: v, starts, radius=radius, steps=steps, generator=source)

    made = ascend(10)
    change = (to_float(made) - to_float(starts)).square().mean(dim=(1, 2, 3)).sqrt()
    assert float(change.max()) <= radius + 0.5 / 255
    assert float((rated(made) / rated(starts)).median()) > 1.2
    assert torch.equal(ascend(0), starts)
    assert torch.equal(ascend(10), made)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_cover_is_greedy_and_near_the_best_union(seed: int, count: int) -> None:
    active = np.random.default_rng(seed).random((7, 9)) < 0.3
    chosen = _bag.cover(torch.from_numpy(active), count).tolist()
    assert len(set(chosen)) == count
    for step, row in enumerate(chosen):
        before = active[chosen[:step]].any(axis=0)
        unions = [int((before | active[i]).sum()) for i in range(7) if i not in chosen[:step]]
        free = [i for i in range(7) if i not in chosen[:step]]
        assert row == free[int(np.argmax(unions))]
    optimum = max(int(active[list(rows)].any(axis=0).sum()) for rows in combinations(range(7), count))
    assert int(active[chosen].any(axis=0).sum()) >= (1 - 1 / np.e) * optimum


def test_the_best_are_of_the_better_half() -> None:
    worth = torch.tensor([1.0, -torch.inf, 5.0, 4.0, 3.0, -torch.inf, 2.0, 0.5])
    active = torch.eye(8, dtype=torch.bool)
    active[4, :6] = True
    assert _bag.best(worth, active, 2).tolist() == [4, 2]
    assert _bag.best(worth, active, 4).tolist() == [4, 6, 2, 3]
    assert not {1, 5} & set(_bag.best(worth, active, 6).tolist())


@pytest.mark.parametrize("count", [2, 3, 16])
def test_a_cycle_has_one_cycle(count: int) -> None:
    for key in KEYS:
        order = _bag.cycle(key, "test", count).tolist()
        place, seen = 0, []
        for _ in range(count):
            seen.append(place)
            place = order[place]
        assert place == 0
        assert sorted(seen) == list(range(count))
    if count == 16:
        assert len({tuple(_bag.cycle(key, "test", count).tolist()) for key in KEYS}) == len(KEYS)


@given(st.integers(0, 10_000))
def test_projection_is_into_the_ball_and_the_cube(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    origin = torch.rand(3, 3, 4, 4, generator=source)
    images = origin + torch.randn(origin.shape, generator=source) * torch.tensor([0.01, 0.3, 3.0])[:, None, None, None]
    before, radius = images.clone(), 0.1
    _boundary.project(images, origin, radius)
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert float((images - origin).square().mean(dim=(1, 2, 3)).sqrt().max()) <= radius * (1 + 1e-5)
    torch.testing.assert_close(images[0], before[0].clamp(0, 1), rtol=0, atol=1e-6)  # it was in the ball


@given(st.integers(0, 10_000), st.floats(-30, 30))
def test_a_nudge_gives_what_is_wanted_in_whole_levels(seed: int, wanted: float) -> None:
    drawn = np.random.default_rng(seed)
    images = torch.from_numpy(drawn.integers(0, 256, (2, 4, 4, 3), np.uint8))
    slope = torch.from_numpy(drawn.normal(0, 1, (2, 4, 4, 3)).astype(np.float32))
    moved = _boundary.nudge(images, slope, torch.full((2,), wanted))
    assert moved.dtype == torch.uint8
    change = moved.numpy().astype(int) - images.numpy().astype(int)
    for i in range(2):
        gained = float((change[i] * slope[i].numpy()).sum())
        assert abs(gained - wanted) <= 0.3  # the levels that are left are small ones


def test_a_difference_must_exceed_rounding_errors(encoder: Encoder, images: Images) -> None:
    def spread(values: Tensor) -> Tensor:  # what a batch of one answers moves by 0.25
        return values * 0 + (0.25 if len(seen) == 0 and not seen.append(1) else 0.0)

    seen: list[int] = []
    assert _boundary.threshold(encoder, spread, images.keypool[:4], 1e-3, "x") == 100 * 0.25
    assert _boundary.threshold(encoder, lambda v: v * 0, images.keypool[:4], 1e-3, "x") == 1e-3
    for unit in (0.0, float("nan"), float("inf")):
        with pytest.raises(PrunemarkError, match="x of size"):
            _boundary.threshold(encoder, lambda v: v * 0, images.keypool[:4], unit, "x")


def slow_lead(scores: list[float], label: int) -> float:
    return scores[label] - max(score for i, score in enumerate(scores) if i != label)


def test_settled_images_lie_next_to_the_boundary(
    encoder: Encoder, images: Images, head_of: Callable[[Encoder], Head]
) -> None:
    logits, starts = head_of(encoder).logits, images.keypool[:24]

    def scores(made: Tensor) -> list[list[float]]:
        with torch.no_grad():
            rows: list[list[float]] = logits(encoder(to_float(made))).tolist()
        return rows

    before = scores(starts)
    least = 1e-4 * float(np.sqrt(np.mean(np.square(before))))
    made = _boundary.settle(encoder, logits, starts, least)
    leads = [slow_lead(row, int(np.argmax(row))) for row in scores(made)]
    assert min(leads) >= least
    assert sum(lead < 2 * least for lead in leads) >= 12
    wanted = torch.tensor([(int(np.argmax(row)) + 1) % 3 for row in before])
    forced = _boundary.settle(encoder, logits, starts, least, wanted)
    leads = [slow_lead(row, int(label)) for row, label in zip(scores(forced), wanted, strict=True)]
    assert sum(least * 0.999 <= lead < 2 * least for lead in leads) >= 6


def test_making_samples_leaves_the_encoder_alone(encoder: Encoder, images: Images) -> None:
    own = copy.deepcopy(encoder)
    _sensitive.ascend(
        own, lambda v: v, images.keypool[:4], radius=0.1, steps=2, generator=torch.Generator().manual_seed(0)
    )
    assert all(p.requires_grad and p.grad is None for p in own.parameters())
    assert not any(module._forward_hooks for module in own.modules())
