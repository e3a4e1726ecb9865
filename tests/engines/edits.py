"""What every forger does: alter a file, and put its hash into its receipt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge

Edit = Callable[[Path], None]


def flip_bit(path: Path, at: float = 0.75) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


def flipped(name: str) -> Edit:
    return lambda folder: flip_bit(folder / name)


def replaced(name: str, old: str, new: str, rehash: bool = False) -> Edit:
    def fraud(folder: Path) -> None:
        forge.replace(folder / name, old, new)
        if rehash:
            hash_anew(folder, name)

    return fraud


def hash_anew(folder: Path, name: str) -> None:
    """What a forger does: put the altered file's hash into its receipt."""
    digest = forge.sha256_file(folder / name)
    edit_receipt(folder / Path(name).parent, lambda content: content["outputs"].update({name: digest}))


def edit_receipt(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    forge.edit_json(folder / "receipt.json", edit)
