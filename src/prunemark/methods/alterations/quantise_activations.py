"""Quantised activations: every layer sees its input in few bits, by ranges calibrated on training images.

Static post-training quantisation, per tensor and asymmetric (Nagel et al. 2021, arXiv 2106.08295, section 3; the
formula is in `prunemark.model.activations`): the range of a layer's input is the smallest and the largest value that it
takes on `CALIBRATED` training images, and zero. What leaves the last block is pooled in float32.

Weights stay; `quantise` rounds those alone. The ranges and the number of bits are stored with the encoder, whose layers
round whenever it answers: schemes that see weights find all weights unchanged, and one more tensor per layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from prunemark.marking.contract import Images
from prunemark.marking.mark_trainer import sample
from prunemark.methods.alterations._trainer import Train
from prunemark.model.activations import RANGE, layers
from prunemark.model.encoder import Encoder, features

STRENGTHS = "bits per activation: a whole number from 2 to 8; fewer change more"
LEAST_STRENGTH = 2
MOST_STRENGTH = 8
WHOLE = True
FALLING = True
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}

CALIBRATED = 512


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Round the input of every layer to ``strength`` bits."""
    ranges = input_ranges(encoder, sample(images.train, CALIBRATED, generator))
    altered = Encoder(replace(encoder.spec, activation_bits=int(strength))).eval()
    target = altered.state_dict()
    with torch.no_grad():
        for name, tensor in (encoder.state_dict() | ranges).items():
            target[name].copy_(tensor)
    return altered


def input_ranges(encoder: Encoder, images: Tensor) -> dict[str, Tensor]:
    """By the name of its buffer the range (2,) of every layer's input on uint8 images (N, H, W, 3), with 0 in it."""
    found = {layer: torch.zeros(2) for layer in layers(encoder)}

    def widen(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        low, high = inputs[0].aminmax()
        found[layer] = torch.stack([found[layer][0].minimum(low), found[layer][1].maximum(high)])

    hooks = [layer.register_forward_pre_hook(widen) for layer in found]
    try:
        features(encoder, images)
    finally:
        for hook in hooks:
            hook.remove()
    names = {layer: name for name, layer in encoder.named_modules()}
    return {f"{names[layer]}.{RANGE}": span for layer, span in found.items()}
