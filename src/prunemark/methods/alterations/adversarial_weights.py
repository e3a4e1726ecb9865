"""Adversarial weights: the change of a given size that alters the features most, found by gradient ascent.

The loss 1 - mean cos(f'(x), f(x)) to the original's features is ascended over the weights of convolutions and linear
layers, with the step of adversarial parametric perturbation (Gan et al. 2023, ICCV, "Towards Robust Model Watermark
via Reducing Parametric Vulnerability", whose defence is built on this attack):

    w <- w + a * ||w0|| * g / ||g||     for every layer, then back into the ball ||w - w0|| <= s * ||w0||

with the strength s as relative radius, the original w0, and a = 2 s / k for k steps; k = 1 is their single step. Batch
normalisation is skipped, as there.

Deviations: theirs ascends the loss of a known watermark, this the features themselves, so that one attack tries every
scheme. On the exact copy the loss has its minimum and no slope, so the first step begins beside it, at a random point
of radius s / 1000.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.marking.mark_trainer import Copy, sample
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder, weights

STRENGTHS = "largest change of a layer's weights over their norm: a number from 0.00001 to 1"
LEAST_STRENGTH = 0.00001
MOST_STRENGTH = 1
WHOLE = False
FALLING = False
SETTINGS: dict[str, Any] = {"steps": 5, "batch": 128}
LEAST = {"steps": 1, "batch": 1}

BEGIN = 1e-3


def alter(
    encoder: Encoder,
    strength: float,
    trainer: Train,
    images: Images,
    generator: torch.Generator,
    *,
    steps: int,
    batch: int,
) -> Encoder:
    """Move every layer by at most ``strength`` of its norm, in ``steps`` steps of a fresh batch each."""
    attacked = Copy(encoder, sample(images.train, steps * batch, generator))
    origin = {name: weight.detach().clone() for name, weight in weights(encoder).items()}
    moved = weights(attacked.encoder)
    for name, weight in moved.items():
        step(weight, torch.randn(weight.shape, generator=generator), BEGIN * strength, origin[name])
    for rows in torch.arange(len(attacked.images)).chunk(steps):
        loss = attacked.match(attacked.encoder(attacked.batch(rows)), rows)
        slopes = torch.autograd.grad(loss, list(moved.values()))
        for (name, weight), slope in zip(moved.items(), slopes, strict=True):
            step(weight, slope, 2 * strength / steps, origin[name])
            project(weight, strength, origin[name])
    return attacked.finished()


def step(weight: Tensor, direction: Tensor, size: float, origin: Tensor) -> None:
    """``size`` times the original's norm along a direction, in place; a direction without length moves nothing."""
    length = direction.norm()
    if length > 0 and length.isfinite():
        with torch.no_grad():
            weight += size * origin.norm() * direction / length


def project(weight: Tensor, radius: float, origin: Tensor) -> None:
    """Back into the ball around the original, in place."""
    with torch.no_grad():
        change = weight - origin
        weight.copy_(origin + change * (radius * origin.norm() / change.norm().clamp(min=1e-30)).clamp(max=1))
