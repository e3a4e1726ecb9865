"""Encoder stealing: a fresh encoder is trained to answer queries as the marked one does.

StolenEncoder (Liu et al. 2022, CCS, "StolenEncoder: Stealing Pre-trained Encoders in Self-supervised Learning", arXiv
2201.05889; its code was read, ``surrogate_model.py``, not its text). The marked encoder f is asked once for every image
x of the thief; the new encoder g, of random weights, minimises over x

    ||g(x) - f(x)|| + lambda ||g(A(x)) - f(x)||

with a random view A(x), of which the thief assumes that f answers it as it answers x, and lambda = 9. BESA (2025, arXiv
2506.04556) steals what a defence perturbs; nothing perturbs features here.

No weight of f is read: marks in weights are gone for certain, and what features or labels carry may come along.

Deviations: their features have length 1 on both sides. Here distances are divided by the root mean square length of
f's features, so that g's have f's scale and fit its heads. Adam with a cosine (`prunemark.marking.mark_trainer`) for
few epochs (the strength), not SGD for a thousand; one view, not nine; A mirrors half of the images and turns a fifth
grey, and does not jitter colours. The thief knows architecture and input normalisation and asks for ``queries`` of the
training images, or all where there are fewer; theirs needs none of that.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.marking.mark_trainer import Player, descend, sample
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder, features, to_float
from prunemark.model.randomness import draw_parameters

STRENGTHS = "epochs over the images that are asked for: a whole number from 1 to 1000"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1000
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {"queries": 10000, "learning_rate": 0.001}
LEAST = {"queries": 2, "learning_rate": 0.0}

BATCH = 64
LAMBDA = 9.0
MIRRORED = 0.5
GREY = 0.2


def alter(
    encoder: Encoder,
    strength: float,
    trainer: Train,
    images: Images,
    generator: torch.Generator,
    *,
    queries: int,
    learning_rate: float,
) -> Encoder:
    """Train another encoder on the answers to ``queries`` training images, for ``strength`` epochs."""
    asked = sample(images.train, queries, generator)
    answers = features(encoder, asked)
    scale = float(answers.double().square().sum(dim=1).mean().sqrt())
    thief = untrained(encoder, generator).train()

    def loss(rows: Tensor) -> Tensor:
        plain = to_float(asked[rows])
        found = thief(torch.cat([plain, views(plain, generator)])).float()
        seen, viewed = found.chunk(2)
        return theft_loss(seen, viewed, answers[rows], scale)

    player = Player(list(thief.parameters()), loss, learning_rate)
    steps = int(strength) * max(1, len(asked) // BATCH)
    descend([player], len(asked), steps=steps, batch=BATCH, generator=generator, title="steal")
    return thief.eval()


def theft_loss(plain: Tensor, viewed: Tensor, answers: Tensor, scale: float) -> Tensor:
    """mean_i (||g(x_i) - f(x_i)|| + lambda ||g(A(x_i)) - f(x_i)||) / scale of features (b, d) each."""
    apart, viewed_apart = (torch.linalg.vector_norm(found - answers, dim=1) for found in (plain, viewed))
    return (apart + LAMBDA * viewed_apart).mean() / scale


def untrained(encoder: Encoder, generator: torch.Generator) -> Encoder:
    """An encoder of the same architecture with weights of its own, and the same input normalisation."""
    fresh = draw_parameters(Encoder(encoder.spec.trained), generator)
    fresh.mean.copy_(encoder.mean)
    fresh.std.copy_(encoder.std)
    return fresh


def views(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random view of each image, float (N, 3, H, W): half are mirrored, a fifth grey."""
    draws = torch.rand(2, len(images), 1, 1, 1, generator=generator)
    turned = torch.where(draws[0] < MIRRORED, images.flip(3), images)
    return torch.where(draws[1] < GREY, turned.mean(dim=1, keepdim=True), turned)
