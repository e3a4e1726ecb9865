"""Random pruning: the control of every criterion (as in Blalock et al. 2020, arXiv 2003.03033)."""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """A uniform draw for every prunable weight."""
    return {
        name: torch.rand(weight.shape, generator=generator, dtype=torch.float64)
        for name, weight in weights(encoder).items()
    }
