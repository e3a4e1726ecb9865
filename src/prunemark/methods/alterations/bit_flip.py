"""Flipped bits: as many bits as the strength says, each at a random place of the encoder's float32 state.

A place is one of the 32 bits of one float of the canonical state (`prunemark.model.encoder.state`: weights, biases,
batch normalisation with its statistics, input normalisation), all equally likely and no two the same. The smallest
change there is, and what the threat of bit flips in memory is about (Rakin et al. 2019, arXiv 1903.12269, who search
the worst bits; here they are random).

Draws are made again where the features of 50 training images are no longer finite or exceed 10^15, as after most flips
of the highest exponent bit (1 draw in 32): an encoder that answers with no numbers is found out without any watermark.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder, features, state

STRENGTHS = "number of flipped bits: a whole number from 1 to 1000"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1000
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}

BITS = 32
SHOWN = 50
LARGEST_FEATURE = 1e15
DRAWS = 100_000


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Flip ``strength`` bits, one after the other.

    Raises:
        PrunemarkError: the encoder's features are no numbers, whatever is flipped.
    """
    altered, flipped = copy.deepcopy(encoder).eval(), set[int]()
    places = BITS * sum(tensor.numel() for tensor in state(altered).values())
    if strength > places:
        raise PrunemarkError(f"bit-flip: strength {strength:g} is not allowed: at most the {places} bits there are")
    for _ in range(DRAWS):
        place = int(torch.randint(places, (1,), generator=generator))
        if place in flipped:
            continue
        flip(altered, place)
        if answers(altered, images):
            flipped.add(place)
        else:
            flip(altered, place)  # back
        if len(flipped) == strength:
            return altered
    raise PrunemarkError(f"bit-flip: {DRAWS} draws left {len(flipped)} bits flipped; allowed: a finite encoder")


def flip(encoder: Encoder, place: int) -> None:
    """Flip one bit, in place: bit ``place % 32`` (0: the lowest of the mantissa) of float ``place // 32``."""
    index, bit = divmod(place, BITS)
    tensors = encoder.state_dict()
    for name, tensor in state(encoder).items():
        if index < tensor.numel():
            at = tuple(int(i) for i in np.unravel_index(index, tensor.shape))
            tensors[name].view(torch.int32)[at] ^= (1 << bit) if bit < BITS - 1 else -(1 << bit)
            return
        index -= tensor.numel()


def answers(encoder: Encoder, images: Images) -> bool:
    """Whether it still gives numbers; a NaN is not at most anything."""
    return bool((features(encoder, images.train[:SHOWN]).abs() <= LARGEST_FEATURE).all())
