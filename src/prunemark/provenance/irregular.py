"""What may not lie under data/ whatever its name: links, which can point anywhere, and what is no file at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from prunemark.receipts.chain import Break


def irregular_entries(folder: Path) -> Iterator[Break]:
    """A break for every entry below ``folder`` that is neither a regular file nor a directory; links are not followed.

    A link is refused even where the bytes behind it are right: what it points to can change without a trace here.
    """
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name) if folder.is_dir() else ():
        if entry.is_symlink():
            yield Break(entry.path, f"a link, to {os.readlink(entry.path)}; nothing under data/ may be one")
        elif entry.is_dir():
            yield from irregular_entries(Path(entry.path))
        elif not entry.is_file():
            yield Break(entry.path, "neither a file nor a directory")
