"""SHA-256 of the encoder's weights: the trivial fragile check, perfect where the verifier sees the weights.

It changes nothing, costs nothing and detects every alteration, so it is what a fragile watermark must be compared with.
It is not keyed: whoever alters the encoder can also publish a new digest, which is why the digest must be kept apart.
Because it is deterministic, it is one trial, however many keys the other schemes are tried with.
"""

from __future__ import annotations

import torch

from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.model.encoder import Encoder, state_sha256

KIND = "fragile"
LEVEL = "WEIGHTS"
KEYED = False
WRONG_KEYS = 0
SETTINGS: dict[str, object] = {}


def register(encoder: Encoder, logits: Query, key: bytes, images: Images, generator: torch.Generator) -> Secret:
    """The encoder's digest; nothing else is looked at."""
    return Secret(facts={"state_sha256": state_sha256(encoder)})


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same secret: the digest knows no key."""
    return secret


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """1 if the suspect's digest is the released one, else 0."""
    return Reading(float(state_sha256(suspect) == secret.facts["state_sha256"]))


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """1: equal or not, there is nothing to calibrate."""
    return Threshold(1.0)
