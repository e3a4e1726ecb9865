"""Random channels: the control of every criterion."""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.channels import Group

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, groups: list[Group], batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """A uniform draw for every channel."""
    return {group.name: torch.rand(group.size, generator=generator, dtype=torch.float64) for group in groups}
