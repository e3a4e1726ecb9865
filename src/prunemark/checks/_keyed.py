"""What a key draws for passive checks: a generator per purpose, and query images from the key pool."""

from __future__ import annotations

from torch import Tensor

from prunemark.embedding import sample
from prunemark.errors import PrunemarkError
from prunemark.keys import stream


def key_images(pool: Tensor, key: bytes, check: str, count: int) -> Tensor:
    """``count`` images, uint8 (count, H, W, 3), of the key pool, drawn by the key.

    Raises:
        PrunemarkError: the pool has fewer.
    """
    if len(pool) < count:
        raise PrunemarkError(f"{check}: {len(pool)} images in the key pool; allowed: {count} or more")
    return sample(pool, count, stream(key, check, "images")).contiguous()
