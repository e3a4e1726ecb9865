"""Random pruning: uniform over weights, another draw under another seed, and blind to what it prunes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from prunemark.model.encoder import Architecture, Encoder
from prunemark.pruning.mask import masks_from_scores

Score = Callable[..., dict[str, Tensor]]


@pytest.mark.parametrize("rate", ["0.2", "0.5", "0.9"])
def test_random_removes_the_same_share_everywhere(rate: str, score: Score) -> None:
    """Under a uniform draw the count per layer is hypergeometric: within 5 standard deviations of the rate."""
    encoder = Encoder(Architecture("resnet18", 8, 16)).eval()
    mask = masks_from_scores(score("random", encoder, None), rate, "global")
    share = float(rate)
    for name, part in mask.items():
        allowed = 5 * (share * (1 - share) / part.numel()) ** 0.5
        assert abs(float((~part).double().mean()) - share) < allowed, name


def test_random_is_another_draw_under_another_seed_and_blind_to_weights(encoder: Encoder, score: Score) -> None:
    first, other = score("random", encoder, None), score("random", encoder, None, seed=1)
    assert all(not torch.equal(first[name], other[name]) for name in first)
    changed = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(3)
    again = score("random", changed, None)
    assert all(torch.equal(first[name], again[name]) for name in first)
