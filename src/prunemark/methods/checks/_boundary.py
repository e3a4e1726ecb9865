"""Images next to a decision boundary: so near that small alterations move their label, but no rounding error."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Query
from prunemark.methods.checks._copies import frozen
from prunemark.model.encoder import BATCH, Encoder, features, to_float

SAFETY = 100.0  # leaves 50 or more: images that are made and threads may move more than the batch size does here
ROUNDS = 6
MOVES = 64
TINY = 1e-30  # a slope of zero leads nowhere
AIM = 1.25  # in units of the least lead: how far from the boundary an image is put


def project(images: Tensor, origin: Tensor, radius: float) -> None:
    """Move images (N, 3, H, W), in place, into the ball of root mean square ``radius`` around ``origin``, and into
    [0, 1]."""
    with torch.no_grad():
        change = images - origin
        size = change.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        images.copy_((origin + change * (radius / size.clamp(min=radius))).clamp(0, 1))


def threshold(encoder: Encoder, answer: Query, images: Tensor, unit: float, what: str) -> float:
    """What a difference must exceed to be one: ``unit``, or `SAFETY` times what the batch size moves if that is more.

    Args:
        answer: from features (N, d) to what differences are taken of.
        what: the scheme and the quantity, for the refusal.

    Raises:
        PrunemarkError: it is zero or not finite.
    """
    alone, together = (answer(features(encoder, images, batch)).double() for batch in (1, BATCH))
    least = max(unit, SAFETY * float((alone - together).abs().max()))
    if not 0 < unit <= least < math.inf:
        raise PrunemarkError(f"{what} of size {unit}; allowed: positive and finite")
    return least


def lead(scores: Tensor, labels: Tensor | None = None) -> Tensor:
    """By how much the score of each label, (N,), exceeds the best other one, of class scores (N, classes). Without
    labels those of the best classes: the margin."""
    own = (scores.argmax(dim=1) if labels is None else labels)[:, None]
    others = scores.scatter(1, own, -torch.inf)
    return scores.gather(1, own)[:, 0] - others.amax(dim=1)


def settle(encoder: Encoder, logits: Query, images: Tensor, least: float, labels: Tensor | None = None) -> Tensor:
    """Images a few grey levels from ``images``, uint8 (N, H, W, 3), with the smallest lead found that is at least
    ``least``; where none was found, the image as it came. ``labels`` (N,): the classes that are to lead; else any.

    Steps of whole levels are chosen so that to first order the lead becomes ``AIM * least``; what the network's
    curvature leaves is taken away in the next of `ROUNDS` rounds.
    """
    victim, now = frozen(encoder), images
    best, reached = images.clone(), torch.full((len(images),), torch.inf)
    for _ in range(ROUNDS):
        floats = to_float(now).requires_grad_()
        found = lead(logits(victim(floats)), labels)
        (slope,) = torch.autograd.grad(found.sum(), floats)
        found = found.detach()
        better = (found >= least) & (found < reached)
        best[better], reached[better] = now[better], found[better]
        now = nudge(now, slope.permute(0, 2, 3, 1) / 255, AIM * least - found)
    return best


def nudge(images: Tensor, slope: Tensor, wanted: Tensor) -> Tensor:
    """uint8 images (N, H, W, 3), moved by whole grey levels so that a function with this ``slope`` per level, of the
    same shape, changes by what is ``wanted``, (N,).

    First the shortest step in the plane's direction, rounded; then what it left by `MOVES` single levels, of which the
    largest that fits comes first.
    """
    flat, start = slope.flatten(1), images.flatten(1).to(torch.float32)
    coarse = (wanted / flat.square().sum(dim=1).clamp(min=TINY))[:, None] * flat
    levels = (start + coarse.round()).clamp(0, 255)
    left = wanted - (flat * (levels - start)).sum(dim=1)
    signs = (left[:, None] * flat).sign()
    allowed = (levels + signs >= 0) & (levels + signs <= 255)
    sizes = torch.where(allowed, flat.abs(), torch.inf)
    left = left.abs()
    for _ in range(MOVES):
        size, place = torch.where(sizes <= left[:, None], sizes, 0).max(dim=1, keepdim=True)
        levels.scatter_add_(1, place, signs.gather(1, place) * (size > 0))
        sizes.scatter_(1, place, torch.inf)
        left -= size[:, 0]
    return levels.to(torch.uint8).view(images.shape)
