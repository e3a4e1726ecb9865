"""Digest of the features of secret images: the trivial fragile check where the verifier sees features only.

Not a published scheme but a baseline: whatever a fragile watermark for an encoder behind a service is worth, it must
be worth more than this. The key draws secret images; every feature value is rounded to a cell, and the cell numbers of
an image are authenticated by HMAC-SHA256.

Plain rounding raises false alarms, since some values lie next to a cell's edge, where the last bits of a float decide.
Therefore the secret holds for every value the offset that puts the intact value into the middle of its cell: a value
then leaves its cell iff it moved by more than half a cell, delta / 2. delta is ``tolerance`` times the root mean square
of the intact features. The default leaves benign variation (batch size, threads, reloading) a factor of more than 50,
and pruning the 1 % smallest weights still exceeds it; both are tested. It holds for float32 arithmetic on one kind of
device; TF32 or bfloat16 features are another function.
"""

from __future__ import annotations

import hashlib
import hmac

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.methods.checks._keyed import key_images
from prunemark.model.encoder import Encoder, features

KIND = "fragile"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 1
SETTINGS = {"queries": 8, "tolerance": 0.0005}
LEAST = {"queries": 1, "tolerance": 1e-9}

LARGEST_CELL = 2.0**62


def register(
    encoder: Encoder,
    logits: Query,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    queries: int,
    tolerance: float,
) -> Secret:
    """What the encoder's features are on ``queries`` images of the key pool, drawn by the key.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the secret images and authenticates the digests.
        logits, generator: not used; the key draws.
        queries: number Q of secret images.
        tolerance: cell size in units of the features' root mean square.

    Raises:
        PrunemarkError: fewer than ``queries`` images, or features that are all zero or not finite.
    """
    chosen = key_images(images.keypool, key, "feature-digest", queries)
    values = features(encoder, chosen).double()
    delta = tolerance * float(values.square().mean().sqrt())
    if not (0 < delta < float("inf")):
        raise PrunemarkError(f"feature-digest: features have cell size {delta}; allowed: positive and finite")
    offsets = torch.remainder(values, delta)
    digests = [digest(key, i, row) for i, row in enumerate(cells(values, offsets, delta))]
    facts = {"key": key.hex(), "delta": delta, "digests": digests}
    return Secret({"images": chosen, "offsets": offsets}, facts)


def cells(values: Tensor, offsets: Tensor, delta: float) -> Tensor:
    """Cell numbers, float64 (Q, d), of values (Q, d): the intact value is the middle of its cell."""
    return torch.round((values.double() - offsets) / delta)


def digest(key: bytes, index: int, row: Tensor) -> str:
    """HMAC-SHA256, hexadecimal, of an image's index and its cell numbers (d,), all as little-endian int64.

    Empty, so equal to no digest, where a cell number is not finite or does not fit.
    """
    if not bool((row.abs() < LARGEST_CELL).all()):
        return ""
    numbers = index.to_bytes(8, "little") + row.long().numpy().astype("<i8").tobytes()
    return hmac.new(key, numbers, hashlib.sha256).hexdigest()


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same images and offsets under another key: the most that somebody without the key could hold."""
    return Secret(secret.tensors, {**secret.facts, "key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The number of secret images, of Q, whose digest matches; 0 if the features have another length."""
    offsets, key = secret.tensors["offsets"], bytes.fromhex(secret.facts["key"])
    values = suspect(secret.tensors["images"])
    if values.shape != offsets.shape:
        return Reading(0.0, trials=len(offsets))
    rows = cells(values, offsets, secret.facts["delta"])
    found = [digest(key, i, row) for i, row in enumerate(rows)]
    equal = sum(a == b for a, b in zip(found, secret.facts["digests"], strict=True))
    return Reading(float(equal), trials=len(offsets))


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """All images: one that differs is an altered encoder."""
    return Threshold(float(len(secret.facts["digests"])))
