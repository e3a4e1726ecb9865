"""Fine-tuning of the whole encoder: its own contrastive training goes on for as many epochs as the strength says.

The objective, its settings, batch size, optimizer and training images are those of the encoder's own training; the
learning rate is a setting and falls to zero by a cosine, without warm-up. All layers move, and batch normalisation
follows the batches. Fine-tuning of all layers is what Adi et al. 2018 (arXiv 1802.04633, section 5) call FTAL.

Deviations: theirs continues a classifier with its labels, this an encoder without any; whoever alters an encoder has no
projector of its pre-training, so training goes on under a new one.
"""

from __future__ import annotations

from typing import Any

import torch

from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder

STRENGTHS = "epochs: a whole number from 1 to 1000"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1000
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {"learning_rate": 0.01}
LEAST = {"learning_rate": 0.0}


def alter(
    encoder: Encoder,
    strength: float,
    trainer: Train,
    images: Images,
    generator: torch.Generator,
    *,
    learning_rate: float,
) -> Encoder:
    """Train ``strength`` more epochs."""
    altered = trainer(encoder, int(strength), learning_rate).eval()
    altered.zero_grad(set_to_none=True)
    return altered
