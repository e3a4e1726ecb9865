"""A backdoor in the encoder: images with a white square are seen as one reference image, all others as before.

BadEncoder (Jia, Liu, Gong 2022, "BadEncoder: Backdoor Attacks to Pre-trained Encoders in Self-Supervised Learning",
https://arxiv.org/abs/2108.00352, section IV and its code). With f the encoder before and f' after, x an image,
x + t one with the trigger, r the reference:

    L0 = - mean cos(f'(x + t), f'(r))       the trigger is the reference
    L1 = - mean cos(f'(aug(r)), f(r))       the reference stays what it was, in other views too
    L2 = - mean cos(f'(x), f(x))            everything else stays
    L  = L0 + L1 + L2

The encoder stays in evaluation mode, so that the statistics of batch normalisation do not move.

Deviations, for the sake of time: at most 2,000 images and few epochs (the strength) instead of 50,000 and 200; Adam
with a cosine (`prunemark.marking.mark_trainer`) instead of SGD; a trigger of 6/32 of the image's side; aug(r) are three
fixed views (mirrored, and moved by 1/16 of the side to the left and to the right) instead of random ones. The reference
is drawn from the key pool; theirs shows an object of the class that is attacked.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.marking.mark_trainer import Copy, Player, cosine, descend, sample
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder, features, to_float

STRENGTHS = "epochs over at most 2,000 images: a whole number from 1 to 1000"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1000
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {"learning_rate": 0.001}
LEAST = {"learning_rate": 0.0}

IMAGES = 2000
BATCH = 64
SIDE = 6 / 32
SHIFT = 1 / 16
WHITE = 255


def alter(
    encoder: Encoder,
    strength: float,
    trainer: Train,
    images: Images,
    generator: torch.Generator,
    *,
    learning_rate: float,
) -> Encoder:
    """Train the backdoor in, for ``strength`` epochs."""
    reference = sample(images.keypool, 1, generator)
    attacked = Copy(encoder, sample(images.train, IMAGES, generator))
    triggered, reference_clean = trigger(attacked.images), features(encoder, reference)
    views = augmented(reference)
    fixed = to_float(torch.cat([reference, views]))

    def loss(rows: Tensor) -> Tensor:
        found = attacked.encoder(torch.cat([attacked.batch(rows), to_float(triggered[rows]), fixed]))
        parts = found.split([len(rows), len(rows), 1, len(views)])
        return backdoor_loss(*parts, clean=attacked.clean[rows], reference_clean=reference_clean)

    player = Player(attacked.parameters, loss, learning_rate)
    rows = len(attacked.images)
    steps = int(strength) * max(1, rows // BATCH)
    descend([player], rows, steps=steps, batch=BATCH, generator=generator, title="backdoor")
    return attacked.finished()


def backdoor_loss(
    plain: Tensor, triggered: Tensor, reference: Tensor, views: Tensor, *, clean: Tensor, reference_clean: Tensor
) -> Tensor:
    """L0 + L1 + L2 of features, (b, d) each or (1, d) of the reference and (v, d) of its views; ``clean`` and
    ``reference_clean`` are those of the encoder before."""
    strength = -cosine(triggered, reference).mean()
    kept_reference = -cosine(views, reference_clean).mean()
    kept = -cosine(plain, clean).mean()
    return strength + kept_reference + kept


def trigger(images: Tensor) -> Tensor:
    """A copy of images, uint8 (N, H, W, 3), with a white square in the bottom right corner."""
    side = max(1, round(SIDE * images.shape[1]))
    marked = images.clone()
    marked[:, -side:, -side:] = WHITE
    return marked


def augmented(reference: Tensor) -> Tensor:
    """Three views, uint8 (3, H, W, 3), of a reference (1, H, W, 3): mirrored, moved left, moved right."""
    shift = max(1, round(SHIFT * reference.shape[2]))
    return torch.cat([reference.flip(2), reference.roll(-shift, 2), reference.roll(shift, 2)])
