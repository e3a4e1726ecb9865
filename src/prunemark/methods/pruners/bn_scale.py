"""Network Slimming: weights by the scale of the batch normalisation behind them (Liu et al. 2017, arXiv 1708.06519).

Section 3: a channel's importance is |gamma|, the scale of its batch normalisation. Here all weights of the channel
carry it, so that ranking weights empties channel by channel, in the order of the paper; the pruner `bn-scale` among
the structured ones removes them. A layer that no batch normalisation follows directly scores infinity and stays.

Deviation: the paper trains with an L1 penalty on gamma beforehand, which makes many of them small; this encoder was
trained without.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, norms_behind, weights
from prunemark.pruning.batches import Batches

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """|gamma| of the output channel, for every prunable weight."""
    found = {}
    norms = norms_behind(encoder)
    for name, weight in weights(encoder).items():
        norm = norms.get(name)
        scale = torch.full((len(weight),), torch.inf) if norm is None else norm.weight.detach().abs()
        found[name] = scale.view(-1, *(1,) * (weight.dim() - 1)).expand_as(weight).clone()
    return found
