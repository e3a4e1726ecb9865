"""Scores of filters, joined over the convolutions that write a channel."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.channels import Group

Filters = Callable[[Tensor], Tensor]


def filter_scores(encoder: Encoder, groups: list[Group], score: Filters) -> dict[str, Tensor]:
    """``score`` of the filters (out, n) of every convolution that writes a channel, averaged over these.

    Within each group the scores are divided by their mean: the papers compare filters of one layer, whose sizes say
    nothing about those of another, and this is what Torch-Pruning does before it compares groups.
    """
    held = {name: weight.detach().double().flatten(1) for name, weight in weights(encoder).items()}
    found = {}
    for group in groups:
        joined = torch.stack([score(held[f"{name}.weight"]) for name in group.writers]).mean(dim=0)
        found[group.name] = joined / joined.mean() if joined.any() else joined
    return found
