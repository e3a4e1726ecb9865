"""Gradients of the encoder's own contrastive loss with respect to its prunable weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

Gradients = dict[str, Tensor]


def trainable(encoder: Encoder) -> Encoder:
    """A copy whose weights take gradients, in evaluation mode: normalisation by the running statistics, which belong to
    the encoder that is pruned."""
    return copy.deepcopy(encoder).eval().requires_grad_(True)


def batch_gradients(encoder: Encoder, batches: Batches, generator: torch.Generator, count: int) -> Iterator[Gradients]:
    """dL/dw of every prunable weight, in float64, for ``count`` batches one by one."""
    model = trainable(encoder)
    for views in batches.views(count, generator):
        yield gradients(model, batches.loss(model, views))


def gradients(model: Encoder, loss: Tensor) -> Gradients:
    """The gradients of a scalar, in float64."""
    prunable = weights(model)
    found = torch.autograd.grad(loss, list(prunable.values()))
    return {name: part.detach().double() for name, part in zip(prunable, found, strict=True)}


def mean(parts: Iterator[Gradients]) -> Gradients:
    """The mean over batches."""
    total: Gradients = {}
    count = 0
    for part in parts:
        count += 1
        for name, value in part.items():
            total[name] = total[name] + value if name in total else value
    return {name: value / count for name, value in total.items()}
