"""First-order Taylor expansion (Molchanov et al. 2019, arXiv 1906.10771, equation 8), for single weights.

Removing a weight changes the loss by g w to first order; the importance is its square, averaged over batches as in
section 3.2.

Deviations: the paper ranks filters, through a gate behind batch normalisation, and averages over labelled batches
between steps of fine-tuning; here single weights are ranked at once under the encoder's own contrastive loss.
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
    """The mean over batches of (g w)^2."""
    held = {name: weight.detach() for name, weight in weights(encoder).items()}
    parts = batch_gradients(encoder, batches, generator, batch_count)
    return mean({name: (g * held[name]).square() for name, g in part.items()} for part in parts)
