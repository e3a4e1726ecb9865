"""Gaussian noise on the weights of convolutions and linear layers, relative to the spread of each weight tensor.

w' = w + s * std(w) * z with z ~ N(0, 1) independently for every weight; std is that of the tensor's own entries, s the
strength. Batch normalisation and biases stay. A baseline of our own: the plainest change that is no pruning.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder, weights

STRENGTHS = "standard deviation of the noise over that of the weights it is added to: a number from 0.000001 to 10"
LEAST_STRENGTH = 0.000001
MOST_STRENGTH = 10
WHOLE = False
FALLING = False
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Add noise of ``strength`` times each tensor's own standard deviation."""
    altered = copy.deepcopy(encoder).eval()
    with torch.no_grad():
        for weight in weights(altered).values():
            weight += strength * weight.std(correction=0) * torch.randn(weight.shape, generator=generator)
    return altered
