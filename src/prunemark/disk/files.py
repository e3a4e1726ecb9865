"""Files written whole or not at all, and JSON with one form for equal values; nothing here needs PyTorch."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from prunemark.errors import PrunemarkError

PARTIAL = ".partial"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; a killed write leaves ``<name>.partial`` at most."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and a final newline: equal values give equal bytes; NaN and infinities are refused."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, canonical_json(value).encode())


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        PrunemarkError: there is no such file, or it cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise PrunemarkError(f"{path}: not a regular file")
        return path.read_bytes()
    except FileNotFoundError:
        raise PrunemarkError(f"{path}: no such file") from None
    except OSError as error:
        raise PrunemarkError(f"{path}: cannot be read ({error.strerror})") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        PrunemarkError: there is no such file, it cannot be read, or it is not JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise PrunemarkError(f"{path}: not JSON ({error})") from None


def sha256(content: bytes) -> str:
    """As hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
