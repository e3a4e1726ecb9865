"""Identities of source files, remembered by the SHA-256 of their bytes: to parse them takes longer than to plan.

Whoever builds believes what an earlier process left here. An audit computes, and a replay runs where nothing was left.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path

from prunemark.disk.files import canonical_json, read_json, sha256, write_bytes
from prunemark.errors import PrunemarkError
from prunemark.receipts import meaning

REMEMBERED = Path(".prunemark/identities.json")


def identities(contents: Mapping[str, bytes]) -> dict[str, str]:
    """The identity of each file, by its name."""
    known, digests = remembered(), {name: sha256(content) for name, content in contents.items()}
    new = {digest: name for name, digest in digests.items() if digest not in known}
    if new:
        known |= {digest: meaning.identity(name, contents[name]) for digest, name in new.items()}
        with contextlib.suppress(OSError):  # a step by hand may run where nothing else can be written
            write_bytes(REMEMBERED, canonical_json({"by": own_code(), "known": known}).encode())
    return {name: known[digest] for name, digest in digests.items()}


@functools.cache
def remembered() -> dict[str, str]:
    with contextlib.suppress(PrunemarkError, TypeError, KeyError):
        kept = read_json(REMEMBERED)
        if kept["by"] == own_code():
            return dict(kept["known"])
    return {}


@functools.cache
def own_code() -> str:
    return sha256(Path(str(meaning.__file__)).read_bytes())
