"""ERK: layer budgets by the Erdos-Renyi-Kernel rule, magnitude within a layer (Evci et al. 2020, arXiv 1911.11134).

Section 3, (1): a convolution's density scales with (n_in + n_out + h + w) / (n_in n_out h w), a linear layer's with
(n_in + n_out) / (n_in n_out), one factor epsilon for all, and no density exceeds 1. As epsilon grows from 0, a layer's
budget is epsilon (n_in + n_out + h + w) weights, and rounds up to k at epsilon = (k - 1/2) / (n_in + n_out + h + w),
whatever the rate: the inverse of this is the score of the k-th largest weight. Ranking all weights by it gives the
paper's budgets, rounded to whole weights, with layers that are full handled by themselves. Scope ``layer`` is magnitude
pruning by layer: there the budget is the rate.

Deviation: the paper draws its sparse layers at random and lets them grow in training; here the largest weights of a
trained encoder stay.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """(n_in + n_out + h + w) / (k - 1/2) for the k-th largest weight of a layer; equal weights in their order."""
    found = {}
    for name, weight in weights(encoder).items():
        order = weight.detach().abs().flatten().argsort(stable=True)
        rank = torch.empty(len(order), dtype=torch.float64)
        rank[order] = torch.arange(len(order), 0, -1, dtype=torch.float64)
        found[name] = (sum(weight.shape) / (rank - 0.5)).view(weight.shape)
    return found
