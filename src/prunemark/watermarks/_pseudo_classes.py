"""Pseudo-classes: k-means of feature directions, where no labels are to be had, and images of another class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDS = 20


def pseudo_classes(features: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """int64 (N,): spherical k-means (Lloyd, 20 rounds) of features (N, d), from ``count`` of them as centres.

    A class that becomes empty keeps its centre. There may be fewer classes than asked for, one where all features are
    alike.
    """
    points = F.normalize(features.float(), dim=1)
    centres = points[torch.randperm(len(points), generator=generator)[:count]]
    for _ in range(ROUNDS):
        member = F.one_hot((points @ centres.T).argmax(dim=1), len(centres)).to(points.dtype)
        sums = member.T @ points
        centres = torch.where(member.sum(dim=0)[:, None] > 0, F.normalize(sums, dim=1), centres)
    return (points @ centres.T).argmax(dim=1)


def elsewhere(classes: Tensor, generator: torch.Generator) -> Tensor:
    """Row numbers, int64 (N,): for every image one of another class, uniformly drawn; itself where there is none."""
    order = torch.randperm(len(classes), generator=generator)
    order = order[classes[order].argsort(stable=True)]
    sizes = torch.bincount(classes)
    before = sizes.cumsum(dim=0) - sizes
    others = len(classes) - sizes[classes]
    drawn = (torch.rand(len(classes), generator=generator) * others).long().clamp(max=others - 1)
    # ``order`` lists class after class; from the end of one's own, going round, come all the others.
    places = (before + sizes)[classes] + drawn
    return torch.where(others > 0, order[places % len(classes)], torch.arange(len(classes)))
