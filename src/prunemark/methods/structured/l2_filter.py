"""Filters of smallest L2 norm go first (He et al. 2018, Soft Filter Pruning, arXiv 1808.06866, equation 2 with p = 2).

Deviation: the paper lets pruned filters come back in training; here they are gone. A channel that several convolutions
write has the mean of their norms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.methods.structured._filters import filter_scores
from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.channels import Group

SETTINGS: dict[str, object] = {}
SCOPE = "layer"


def scores(encoder: Encoder, groups: list[Group], batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """The Euclidean norm of a filter, relative to the mean of its group."""
    return filter_scores(encoder, groups, lambda filters: filters.square().sum(dim=1).sqrt())
