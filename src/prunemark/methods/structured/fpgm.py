"""FPGM: filters near the geometric median go first (He et al. 2019, arXiv 1811.00250, equations 4 to 6).

A filter whose distances to the filters of its layer sum to little can be replaced by these; that sum is the score.

Deviation: a channel that several convolutions write has the mean of their sums.
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
    """The sum of a filter's Euclidean distances to all filters of its layer, relative to the mean of its group."""
    return filter_scores(encoder, groups, distances)


def distances(filters: Tensor) -> Tensor:
    # Not by matrix products, which lose the small distances that decide here.
    return torch.cdist(filters, filters, compute_mode="donot_use_mm_for_euclid_dist").sum(dim=1)
