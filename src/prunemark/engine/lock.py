"""One build at a time: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from prunemark.errors import PrunemarkError

LOCK = Path(".prunemark/build.lock")


def hold(path: Path = LOCK) -> int:
    """Take the lock until this process and all that inherit the descriptor are gone; returns the descriptor.

    Raises:
        PrunemarkError: somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise PrunemarkError(f"{path}: another build is at work in this folder; wait for it to end") from None
    return descriptor
