"""What a key draws: one generator for each purpose of each scheme."""

from __future__ import annotations

import hashlib
import hmac

import torch

from prunemark.model.randomness import bytes_generator


def stream(key: bytes, scheme: str, purpose: str) -> torch.Generator:
    """The generator of ``key`` for one purpose of one scheme: HMAC-SHA256 with domain separation."""
    return bytes_generator(hmac.digest(key, f"prunemark/{scheme}/{purpose}".encode(), hashlib.sha256))
