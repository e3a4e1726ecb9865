"""The forger of marks whose bits are a hash: nothing can be fitted to the encoder, so keys are tried one by one.

Of unmarked weights every key is one draw from the law of the null, so whoever tries 1 / p of them passes a threshold at
p: at p = 1e-6 a million tries, which is seconds to minutes of work. `TRIES` is what a control can afford, and that it
fails says no more than that. Only a commitment to the key made before release refuses who tries on.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from prunemark.marking.contract import Reading, Secret
from prunemark.model.encoder import Encoder

TRIES = 1000


def best_of_keys(
    encoder: Encoder, key: bytes, secret_of: Callable[[bytes], Secret], measure: Callable[[Encoder, Secret], Reading]
) -> Secret:
    """Of the secrets of `TRIES` keys derived from ``key`` the one with the largest statistic on ``encoder``."""
    keys = (hmac.digest(key, f"prunemark/try/{number}".encode(), hashlib.sha256) for number in range(TRIES))
    return max(map(secret_of, keys), key=lambda secret: measure(encoder, secret).statistic)
