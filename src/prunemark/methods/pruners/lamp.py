"""LAMP: magnitude, made comparable between layers (Lee et al. 2021, arXiv 2010.07611, equation 1).

A weight's score is its square over the sum of the squares of all weights of its layer that are not smaller: so the
largest weight of every layer scores 1 and goes last. Within a layer the order is that of magnitude; scope ``layer`` is
therefore magnitude pruning by layer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """w[u]^2 / sum over v >= u of w[v]^2, weights sorted by magnitude, in float64; 0 for a weight that is zero."""
    return {name: lamp(weight.detach().double()) for name, weight in weights(encoder).items()}


def lamp(weight: Tensor) -> Tensor:
    squares, order = weight.square().flatten().sort(stable=True)
    remaining = squares.flip(0).cumsum(0).flip(0)
    found = torch.empty_like(squares)
    found[order] = torch.where(squares > 0, squares / remaining, 0.0)
    return found.view(weight.shape)
