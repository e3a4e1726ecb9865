"""Magnitude pruning: the weights of smallest absolute value go first (Han et al. 2015, arXiv 1506.02626)."""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """|w| for every prunable weight."""
    return {name: weight.detach().abs() for name, weight in weights(encoder).items()}
