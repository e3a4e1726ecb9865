"""Optimizers against their formulas written out, and the learning rate's closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from prunemark.errors import PrunemarkError
from prunemark.model.optimizers import TRUST, build, learning_rate
from prunemark.model.randomness import generator

SHAPES = ((4, 3, 3, 3), (5, 4), (5,), (3,))
RATES = (0.3, 0.2, 0.05)


def draw(purpose: str, *parts: int) -> list[np.ndarray]:
    source = generator(purpose, *parts)
    return [torch.randn(shape, generator=source, dtype=torch.float64).numpy() for shape in SHAPES]


def run(name: str, momentum: float, decay: float, start: list[np.ndarray]) -> list[np.ndarray]:
    parameters = [nn.Parameter(torch.from_numpy(value.copy())) for value in start]
    optimizer = build(name, parameters, momentum, decay)
    for step, rate in enumerate(RATES):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for parameter, gradient in zip(parameters, draw("test gradients", step), strict=True):
            parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
    return [parameter.detach().numpy() for parameter in parameters]


def lars_written_out(momentum: float, decay: float, start: list[np.ndarray]) -> list[np.ndarray]:
    """You et al. 2017, algorithm 1, with SimCLR's denominator; vectors get SGD without decay."""
    found = []
    for i, value in enumerate(start):
        w, v = value.copy(), np.zeros_like(value)
        for step, rate in enumerate(RATES):
            g = draw("test gradients", step)[i]
            if w.ndim >= 2:
                g = g + decay * w
                norm_w, norm_g = np.sqrt((w**2).sum()), np.sqrt((g**2).sum())
                g = g * (0.001 * norm_w / norm_g if norm_w > 0 and norm_g > 0 else 1.0)
            v = momentum * v + g
            w = w - rate * v
        found.append(w)
    return found


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.01, 0.5])
def test_lars_is_its_algorithm(momentum: float, decay: float) -> None:
    start = draw("test weights")
    found = run("lars", momentum, decay, start)
    for value, expected in zip(found, lars_written_out(momentum, decay, start), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_lars_moves_a_zero_weight_by_its_gradient() -> None:
    start = [np.zeros(shape) for shape in SHAPES]
    found = run("lars", 0.0, 0.1, start)
    for value, expected in zip(found, lars_written_out(0.0, 0.1, start), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_a_first_lars_step_has_the_length_of_the_trust_ratio() -> None:
    weight = nn.Parameter(torch.randn(20, 10, generator=generator("test weights")))
    before = weight.detach().clone()
    optimizer = build("lars", [weight], 0.9, 0.0)
    optimizer.param_groups[0]["lr"] = 0.5
    weight.grad = 1e4 * torch.randn(20, 10, generator=generator("test gradients"))
    optimizer.step()
    assert (weight - before).norm().item() == pytest.approx(0.5 * TRUST * before.norm().item(), rel=1e-5)


def test_lars_skips_what_has_no_gradient() -> None:
    parameters = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))]
    optimizer = build("lars", parameters, 0.9, 0.1)
    optimizer.param_groups[0]["lr"] = 1.0
    parameters[0].grad = torch.ones(2, 2)
    optimizer.step()
    assert (parameters[0] != 1).all()
    assert (parameters[1] == 1).all()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs(momentum: float) -> None:
    start = draw("test weights")
    parameters = [nn.Parameter(torch.from_numpy(value.copy())) for value in start]
    theirs = torch.optim.SGD(parameters, lr=1.0, momentum=momentum, weight_decay=0.01)
    for step, rate in enumerate(RATES):
        theirs.param_groups[0]["lr"] = rate
        for parameter, gradient in zip(parameters, draw("test gradients", step), strict=True):
            parameter.grad = torch.from_numpy(gradient)
        theirs.step()
    for found, parameter in zip(run("sgd", momentum, 0.01, start), parameters, strict=True):
        assert np.array_equal(found, parameter.detach().numpy())


def test_an_optimizer_that_does_not_exist() -> None:
    with pytest.raises(PrunemarkError) as caught:
        build("adam", [nn.Parameter(torch.ones(1))], 0.9, 0.0)
    assert str(caught.value) == "optimizer: 'adam' is not allowed: lars or sgd"


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine() -> None:
    found = [learning_rate(step, 10, 4, 2.0) for step in range(10)]
    assert found[:4] == [0.5, 1.0, 1.5, 2.0]
    assert found[4] == 2.0
    assert found[7] == pytest.approx(1.0)
    np.testing.assert_allclose(found[4:], [2.0 * math.cos(math.pi / 12 * i) ** 2 for i in range(6)])
    assert all(a > b for a, b in zip(found[4:], found[5:], strict=False))
    assert found[9] > 0


def test_the_learning_rate_without_warm_up_starts_at_its_peak() -> None:
    assert learning_rate(0, 8, 0, 0.3) == 0.3
    assert learning_rate(4, 8, 0, 0.3) == pytest.approx(0.15)
    assert learning_rate(8, 8, 0, 0.3) == pytest.approx(0.0)
