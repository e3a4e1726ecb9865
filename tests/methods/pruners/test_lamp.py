"""LAMP against Lee et al. 2021, equation 1, by a double loop over every layer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunemark.methods.pruners.lamp import lamp
from prunemark.model.encoder import Encoder
from prunemark.pruning.mask import masks_from_scores

Score = Callable[..., dict[str, Tensor]]


def equation_1(weight: Tensor) -> Tensor:
    """score(u; W) = W[u]^2 / sum over v >= u of W[v]^2, the weights in ascending order of magnitude."""
    flat = weight.flatten().tolist()
    order = sorted(range(len(flat)), key=lambda place: abs(flat[place]))
    found = torch.zeros(len(flat), dtype=torch.float64)
    for u in range(len(order)):
        total = 0.0
        for v in range(u, len(order)):
            total += flat[order[v]] ** 2
        found[order[u]] = flat[order[u]] ** 2 / total
    return found.view(weight.shape)


def test_equals_the_paper(new_encoder: Callable[..., Encoder], score: Score) -> None:
    encoder = new_encoder(2, 8)
    found, seen = score("lamp", encoder, None), 0
    for name, parameter in encoder.named_parameters():
        if parameter.dim() > 1 and parameter.numel() <= 600:
            seen += 1
            torch.testing.assert_close(found[name], equation_1(parameter.detach()), rtol=1e-10, atol=0)
    assert seen > 10


def test_an_example_by_hand_with_a_zero_and_equal_weights() -> None:
    """Squares 0, 1, 1, 4: of the two equal weights the first goes first."""
    found = lamp(torch.tensor([[-2.0, 1.0], [0.0, -1.0]], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1 / 6], [0.0, 1 / 5]], dtype=torch.float64))
    assert not lamp(torch.zeros(3, 2, dtype=torch.float64)).any()


def test_the_largest_weight_of_every_layer_goes_last(encoder: Encoder, score: Score) -> None:
    """Section 3: it scores 1, all others less, so no layer is emptied while there is one weight for each."""
    found = score("lamp", encoder, None)
    total = sum(part.numel() for part in found.values())
    mask = masks_from_scores(found, f"{1 - (len(found) + 1) / total:.9f}", "global")
    assert all(part.any() for part in mask.values())
    for name, part in found.items():
        weight = encoder.get_parameter(name).detach().abs()
        assert part.max() == 1
        assert weight.flatten()[part.argmax()] == weight.max()


@pytest.mark.parametrize("scope", ["layer", "row"])
def test_within_a_layer_it_is_magnitude(scope: str, encoder: Encoder, score: Score) -> None:
    found, size = (masks_from_scores(score(name, encoder, None), "0.6", scope) for name in ("lamp", "magnitude"))
    assert all(torch.equal(found[name], size[name]) for name in size)


def test_the_size_of_a_layer_does_not_matter(encoder: Encoder, score: Score) -> None:
    scaled = copy.deepcopy(encoder)
    with torch.no_grad():
        scaled.backbone.conv1.weight.mul_(8)
    first, other = score("lamp", encoder, None), score("lamp", scaled, None)
    assert all(torch.equal(first[name], other[name]) for name in first)
