"""SHA-256 of the encoder's weights: the trivial fragile check, perfect where the verifier sees the weights.

It changes nothing, costs nothing and detects every alteration, so it is what a fragile watermark must be compared with.
It is not keyed: whoever alters the encoder can also publish a new digest, which is why the digest must be kept apart.
Because it is deterministic, it is one trial, however many keys the other schemes are tried with.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.encoder import BATCH, Encoder, state_sha256
from prunemark.watermark import Nulls, Secret, Threshold

ACTIVE = False
KIND = "fragile"
LEVEL = "WEIGHTS"
KEYED = False
WRONG_KEYS = 0
SETTINGS: dict[str, object] = {}


def embed(encoder: Encoder, key: bytes, images: Tensor, generator: torch.Generator) -> tuple[Encoder, Secret]:
    """The encoder itself, and its digest as the secret; key, images and generator are not looked at."""
    return encoder, Secret(facts={"state_sha256": state_sha256(encoder)})


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same secret: the digest knows no key."""
    return secret


def statistic(suspect: Encoder, secret: Secret, batch: int = BATCH) -> float:
    """1.0 if the suspect's digest is the released one, else 0.0."""
    return float(state_sha256(suspect) == secret.facts["state_sha256"])


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """1.0: equal or not, there is nothing to calibrate."""
    return Threshold(1.0)
