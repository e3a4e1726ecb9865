"""SNIP: connection sensitivity (Lee et al. 2019, arXiv 1810.02340, equations 4 and 5).

The sensitivity of a weight is |dL/dc| at c = 1 where the weight is multiplied by c: |g w|. Equation 5 divides by the
sum over all weights, which moves no rank.

Deviations: the paper prunes a network at initialisation by one mini-batch of a labelled loss. Here the network is
trained, the loss is its own contrastive one, and its gradient is the mean over ``batch_count`` batches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.methods.pruners._gradients import batch_gradients, mean
from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS = {"batch_count": 4}
LEAST = {"batch_count": 1}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator, *, batch_count: int) -> dict[str, Tensor]:
    """|g w| / sum of |g w|, g the mean gradient."""
    found = mean(batch_gradients(encoder, batches, generator, batch_count))
    sensitivity = {name: (found[name] * w.detach()).abs() for name, w in weights(encoder).items()}
    total = sum(float(part.sum()) for part in sensitivity.values())
    return {name: part / total if total else part for name, part in sensitivity.items()}
