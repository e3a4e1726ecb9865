"""Half precision and back: every float of the encoder rounded to the nearest float16, halves to even.

What happens to an encoder that somebody stores in half precision: all weights, biases, the statistics of batch
normalisation and the input normalisation. Whether that is tampering is a question of policy; a hash says yes, a
robust mark must not care. Values beyond 65504 would become infinite.
"""

from __future__ import annotations

import copy
from typing import Any

import torch

from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder

STRENGTHS = "float16 knows no degrees: 1"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Round all floats to float16."""
    altered = copy.deepcopy(encoder).eval()
    with torch.no_grad():
        for tensor in altered.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())
    return altered
