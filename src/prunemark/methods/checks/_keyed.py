"""The images of the key pool that a key draws for a passive check."""

from __future__ import annotations

from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import sample


def key_images(pool: Tensor, key: bytes, check: str, count: int, least: int | None = None) -> Tensor:
    """``count`` images, uint8 (n, H, W, 3), of the key pool, drawn by the key; all where it has fewer.

    Raises:
        PrunemarkError: the pool has fewer than ``least``, which is ``count`` where it is not given.
    """
    needed = count if least is None else least
    if len(pool) < needed:
        raise PrunemarkError(f"{check}: {len(pool)} images in the key pool; allowed: {needed} or more")
    return sample(pool, count, stream(key, check, "images")).contiguous()
