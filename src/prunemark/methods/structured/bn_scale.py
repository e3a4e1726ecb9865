"""Network Slimming: channels of smallest batch normalisation scale go first (Liu et al. 2017, arXiv 1708.06519).

Section 3: |gamma|, compared over the whole network.

Deviations: the paper trains with an L1 penalty on gamma beforehand, this encoder was trained without; a channel that
several batch normalisations write has the mean of their scales.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.channels import Group

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, groups: list[Group], batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """|gamma| of a channel, in float64."""
    scales = {name: part.detach().double().abs() for name, part in encoder.named_parameters()}
    return {group.name: torch.stack([scales[f"{name}.weight"] for name in group.norms]).mean(dim=0) for group in groups}
