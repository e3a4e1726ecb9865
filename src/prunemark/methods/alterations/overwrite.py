"""Overwriting: whoever stole a marked encoder marks it again, with keys and a scheme of their own.

The attack that Uchida et al. 2017 (arXiv 1701.04082) and most schemes after it are held against. The strength is the
number of marks, each of a random key, embedded one after another by the scheme that ``scheme`` names, with its default
settings. On encoders that the same scheme marked, the second mark meets the first by another key; on all others, by
another scheme. What the thief's own marks say afterwards is not asked: whose came first is for a commitment to tell.
"""

from __future__ import annotations

import torch

from prunemark import registry
from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder

STRENGTHS = "number of further marks: a whole number from 1 to 100"
LEAST_STRENGTH = 1
MOST_STRENGTH = 100
WHOLE = True
FALLING = False
SETTINGS = {"scheme": "uchida"}
LEAST: dict[str, float] = {}
METHODS = {"scheme": "watermarks"}

KEY_BYTES = 32


def alter(
    encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator, *, scheme: str
) -> Encoder:
    """Embed ``strength`` more marks of ``scheme``.

    Raises:
        PrunemarkError: the encoder cannot hold the mark.
    """
    watermark, given = registry.load("watermarks", scheme), registry.complete("watermarks", scheme, {})
    altered = encoder
    for _ in range(int(strength)):
        key = bytes(torch.randint(256, (KEY_BYTES,), generator=generator, dtype=torch.uint8).tolist())
        altered, _ = watermark.embed(altered, key, images, generator, **given)
    return altered
