"""GraSP: gradient signal preservation (Wang et al. 2020, arXiv 2002.07376, equation 8, algorithm 1).

Removing a weight changes the gradient's norm by S(-w) = -w (H g), to first order, and the weights of largest S go
first: those whose removal hurts the gradient flow least. The score is -S(-w) = w (H g), with H g from a second pass of
automatic differentiation.

Deviations: the paper prunes a network at initialisation, with a labelled loss whose logits are divided by 200. Here
the network is trained, where gradients are small and the criterion was not meant to be used, and the loss is its own
contrastive one; g and H are those of each batch, and H g is the mean over ``batch_count`` batches.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.methods.pruners._gradients import Gradients, mean, trainable
from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS = {"batch_count": 2}
LEAST = {"batch_count": 1}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator, *, batch_count: int) -> dict[str, Tensor]:
    """w (H g) for every prunable weight, in float64."""
    model = trainable(encoder)
    prunable = weights(model)

    def curvature(views: Tensor) -> Gradients:
        gradient = torch.autograd.grad(batches.loss(model, views), list(prunable.values()), create_graph=True)
        half_square = sum((g * g.detach()).sum() for g in gradient)
        product = torch.autograd.grad(half_square, list(prunable.values()))  # type: ignore[arg-type]
        return {name: part.detach().double() for name, part in zip(prunable, product, strict=True)}

    found = mean(map(curvature, batches.views(batch_count, generator)))
    return {name: found[name] * weight.detach().double() for name, weight in weights(encoder).items()}
