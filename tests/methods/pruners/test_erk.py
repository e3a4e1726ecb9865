"""ERK against Evci et al. 2020, section 3: the budget of every layer by bisection for epsilon."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import pytest
import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder
from prunemark.pruning.mask import masks_from_scores

Score = Callable[..., dict[str, Tensor]]
RATES = ("0.1", "0.3", "0.5", "0.7", "0.9", "0.95", "0.99")


def raw_density(shape: tuple[int, ...]) -> float:
    """(n_in + n_out + w + h) / (n_in n_out w h); of a linear layer (n_in + n_out) / (n_in n_out)."""
    if len(shape) == 2:
        n_out, n_in = shape
        return (n_in + n_out) / (n_in * n_out)
    n_out, n_in, h, w = shape
    return (n_in + n_out + w + h) / (n_in * n_out * w * h)


def budgets(shapes: dict[str, tuple[int, ...]], sparsity: float) -> dict[str, float]:
    """Kept weights by layer: density min(1, epsilon * raw), epsilon such that all together keep 1 - sparsity."""
    wanted = (1 - sparsity) * sum(prod(shape) for shape in shapes.values())

    def kept(epsilon: float) -> dict[str, float]:
        return {name: prod(shape) * min(1.0, epsilon * raw_density(shape)) for name, shape in shapes.items()}

    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if sum(kept(middle).values()) < wanted:
            low = middle
        else:
            high = middle
    return kept(high)


def compare(encoder: Encoder, found: dict[str, Tensor], rate: str) -> int:
    """How many layers are full, after every layer was held against the paper's budget.

    Budgets are fractions and weights are whole, so that rounding moves one weight at most.
    """
    shapes = {name: tuple(part.shape) for name, part in encoder.named_parameters() if name in found}
    expected, mask = budgets(shapes, float(rate)), masks_from_scores(found, rate, "global")
    for name, part in mask.items():
        assert abs(int(part.sum()) - expected[name]) <= 1, (rate, name)
        size = encoder.get_parameter(name).detach().abs()
        if part.any() and not part.all():
            assert size[part].min() >= size[~part].max()
    return sum(bool(part.all()) for part in mask.values())


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_layers_keep_the_budgets_of_the_paper(
    architecture: str, new_encoder: Callable[..., Encoder], score: Score
) -> None:
    encoder = new_encoder(4, 8, architecture)
    found = score("erk", encoder, None)
    full = [compare(encoder, found, rate) for rate in RATES]
    assert full[0] > full[-1] == 0


def test_linear_layers_count_their_inputs_and_outputs(new_stack: Callable[..., Encoder], score: Score) -> None:
    layers = nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(128, 20), nn.Linear(20, 20, bias=False), nn.Linear(20, 4)
    encoder = new_stack(*layers, features=4)
    found = score("erk", encoder, None)
    assert len(found) == 4
    for rate in RATES:
        compare(encoder, found, rate)


def test_by_layer_it_is_magnitude_and_equal_weights_go_in_order(
    encoder: Encoder, new_stack: Callable[..., Encoder], score: Score
) -> None:
    found, size = (masks_from_scores(score(name, encoder, None), "0.6", "layer") for name in ("erk", "magnitude"))
    assert all(torch.equal(found[name], size[name]) for name in size)
    equal = new_stack(nn.Flatten(), nn.Linear(108, 3), features=3)
    nn.init.constant_(equal.backbone[1].weight, -0.5)
    kept = masks_from_scores(score("erk", equal, None), "0.25", "global")["backbone.1.weight"]
    assert kept.flatten().tolist() == [False] * 81 + [True] * 243
