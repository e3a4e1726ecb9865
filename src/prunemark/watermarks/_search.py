"""The forger of marks whose bits are a hash: nothing can be fitted to the encoder, so keys are tried one by one."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from prunemark.encoder import Encoder
from prunemark.watermark import Reading, Secret

TRIES = 1000


def best_of_keys(
    encoder: Encoder, key: bytes, secret_of: Callable[[bytes], Secret], measure: Callable[[Encoder, Secret], Reading]
) -> Secret:
    """Of the secrets of `TRIES` keys derived from ``key`` the one with the largest statistic on ``encoder``."""
    keys = (hmac.digest(key, f"prunemark/try/{number}".encode(), hashlib.sha256) for number in range(TRIES))
    return max(map(secret_of, keys), key=lambda secret: measure(encoder, secret).statistic)
