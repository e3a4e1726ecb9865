"""Filters of smallest L1 norm go first (Li et al. 2017, arXiv 1608.08710, section 3.1).

Deviation: the paper prunes each layer by itself, the scope ``layer``; a channel that several convolutions write has the
mean of their norms.
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
    """The sum of |w| over a filter, relative to the mean of its group."""
    return filter_scores(encoder, groups, lambda filters: filters.abs().sum(dim=1))
