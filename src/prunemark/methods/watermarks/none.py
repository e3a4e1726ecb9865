"""No watermark: the control that has the same rank as any scheme, so that every table shows what pruning alone does."""

from __future__ import annotations

import copy

import torch

from prunemark.marking.contract import Images, Secret
from prunemark.model.encoder import Encoder

KIND = "control"
LEVEL = "WEIGHTS"
KEYED = False
WRONG_KEYS = 0
SETTINGS: dict[str, object] = {}


def embed(encoder: Encoder, key: bytes, images: Images, generator: torch.Generator) -> tuple[Encoder, Secret]:
    """A copy of the encoder, bit for bit, and an empty secret; key, images and generator are not looked at."""
    return copy.deepcopy(encoder), Secret()
