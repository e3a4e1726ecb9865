"""Where bytes come from: sources tried in order, each pinned by SHA-256."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable
from contextlib import nullcontext, redirect_stderr
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets._torchvision import torchvision

# A source: what to call it in a message, and a function that writes its content to a path.
Source = tuple[str, Callable[[Path], None]]


def sha256_file(path: Path, name: str = "") -> str:
    """SHA-256 of a file's content, as hexadecimal digits; ``name`` stands for the path in a message.

    Raises:
        PrunemarkError: there is no such file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise PrunemarkError(f"{name or path}: no such file") from None


def verify(found: str, pin: str, name: str) -> None:
    """Compare two SHA-256.

    Raises:
        PrunemarkError: they differ.
    """
    if found != pin:
        raise PrunemarkError(f"{name}: sha256 is {found}; allowed: {pin}")


def from_first(target: Path, pin: str, sources: Iterable[Source]) -> None:
    """Write to ``target`` what the first source gives that has the pinned SHA-256.

    Raises:
        PrunemarkError: none has it; the text says what was wrong with each. ``target`` does not exist then.
    """
    failures = []
    for name, write in sources:
        try:
            write(target)
            verify(sha256_file(target), pin, name)
        except PrunemarkError as error:
            target.unlink(missing_ok=True)
            failures.append(str(error))
        else:
            return
    raise PrunemarkError(f"{target.name}: no source has it; tried {'; '.join(failures)}")


def gunzip(packed: Path, target: Path, name: str = "") -> None:
    """Decompress a .gz file; ``name`` stands for its path in a message.

    Raises:
        PrunemarkError: no such file, or a damaged or truncated one.
    """
    try:
        with gzip.open(packed) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    except FileNotFoundError:
        raise PrunemarkError(f"{name or packed}: no such file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise PrunemarkError(f"{name or packed}: damaged or truncated ({error})") from None


def download(url: str, target: Path) -> None:
    """Download with torchvision, which shows a progress bar; kept quiet where standard error is no terminal.

    Raises:
        PrunemarkError: the server cannot be reached or does not give the file.
    """
    download_url = torchvision().datasets.utils.download_url
    bar = nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO())
    try:
        with bar:
            download_url(url, str(target.parent), target.name)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        raise PrunemarkError(f"{url}: {error}") from None


def download_gunzip(url: str, target: Path) -> None:
    """Download a .gz file and write its decompressed content."""
    packed = target.with_name(target.name + ".gz")
    try:
        download(url, packed)
        gunzip(packed, target, url)
    finally:
        packed.unlink(missing_ok=True)
