"""Symmetric integer quantisation of the weights of convolutions and linear layers, and back to float32.

Per output channel c: scale_c = max |w_c| / (2^(b-1) - 1), w' = scale_c * round(w / scale_c); b is the strength in bits,
so that int8 has the 255 values -127 .. 127. Channels of zeros stay. Weights alone: activations, biases and batch
normalisation keep float32, as in weight-only post-training quantisation (Nagel et al. 2021, arXiv 2106.08295,
section 2).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder, weights

STRENGTHS = "bits per weight: a whole number from 2 to 8; fewer change more"
LEAST_STRENGTH = 2
MOST_STRENGTH = 8
WHOLE = True
FALLING = True
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Round all weights to ``strength`` bits."""
    altered = copy.deepcopy(encoder).eval()
    with torch.no_grad():
        for weight in weights(altered).values():
            weight.copy_(round_trip(weight, int(strength)))
    return altered


def round_trip(weight: Tensor, bits: int) -> Tensor:
    """A weight (out, ...) rounded to ``bits`` bits per channel of its first axis, halves to even."""
    largest = weight.abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True)
    scale = largest / (2 ** (bits - 1) - 1)
    return torch.where(scale > 0, torch.round(weight / scale) * scale, weight)
