"""Fisher pruning with the diagonal of the empirical Fisher matrix (Theis et al. 2018, arXiv 1801.05787, equation 7).

Removing a weight w raises the loss by about w^2 / (2N) times the sum over examples of g_n^2, g_n the gradient of the
loss of one example. The examples of a contrastive loss are its views: each has a loss of its own, in which all others
of its batch are the candidates.

Approximation: the sum of g_n^2 over the views of a batch is estimated without bias by one gradient of the sum of the
views' losses with random signs (Hutchinson 1990), instead of one gradient per view; ``batch_count`` such gradients are
averaged. Deviation: the paper ranks feature maps, here single weights are ranked.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.methods.pruners._gradients import Gradients, gradients, mean, trainable
from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS = {"batch_count": 4}
LEAST = {"batch_count": 1}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator, *, batch_count: int) -> dict[str, Tensor]:
    """w^2 / 2 times the estimated mean of g_n^2 over views."""
    model = trainable(encoder)

    def squared(views: Tensor) -> Gradients:
        signs = torch.randint(0, 2, (len(views),), generator=generator) * 2.0 - 1
        found = gradients(model, (batches.terms(model, views) * signs).sum())
        return {name: g.square() / len(views) for name, g in found.items()}

    fisher = mean(map(squared, batches.views(batch_count, generator)))
    return {name: fisher[name] * weight.detach().double().square() / 2 for name, weight in weights(encoder).items()}
