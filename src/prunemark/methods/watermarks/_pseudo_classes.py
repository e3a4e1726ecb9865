"""Pseudo-classes, where no labels are to be had: k-means of feature directions; and images of another class."""

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
    """Row numbers, int64 (N,): for every image one of another class, or of its own where that is the only one.

    Classes follow each other in a random cycle, and the image is drawn from the class that follows: so what replaces
    what can be learnt, and taken together the images drawn are spread over the classes as all are.
    """
    present = classes.unique()
    cycle = present[torch.randperm(len(present), generator=generator)]
    chosen = torch.empty_like(classes)
    for own, other in zip(cycle.tolist(), cycle.roll(-1).tolist(), strict=True):
        rows, pool = (classes == own).nonzero()[:, 0], (classes == other).nonzero()[:, 0]
        chosen[rows] = pool[torch.randint(0, len(pool), (len(rows),), generator=generator)]
    return chosen
