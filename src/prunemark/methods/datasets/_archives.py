"""Archives, tar (also compressed) and zip: extracted whole and inside their folder, or refused."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from prunemark.errors import PrunemarkError

DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, RuntimeError)
ZIP_MAGIC = b"PK"
BLOCK = 512


def extract(archive: Path, folder: Path) -> None:
    """Extract ``archive`` into the folder. What was extracted before an error stays there, for the caller to remove.

    Raises:
        PrunemarkError: no such file, neither tar nor zip, truncated or damaged, or a member that is no plain file or
            folder, has an absolute name or one with ``..`` in it.
    """
    try:
        with archive.open("rb") as file:
            magic = file.read(len(ZIP_MAGIC))
        if magic == ZIP_MAGIC:
            _extract_zip(archive, folder)
        else:
            _extract_tar(archive, folder)
    except FileNotFoundError:
        raise PrunemarkError(f"{archive}: no such file") from None
    except DAMAGE as error:
        reason = str(error).partition("\n")[0]
        raise PrunemarkError(f"{archive}: not a whole tar or zip archive ({reason})") from None


def _extract_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "r:*") as tar:
        for member in tqdm(tar, desc=f"extracting {archive.name}", unit="file", disable=None):
            _check_member(archive, member.name, member.isreg() or member.isdir())
            _write(folder / member.name, tar.extractfile(member))
        _check_end(tar)


def _check_end(tar: tarfile.TarFile) -> None:
    # tarfile takes a file cut off between two members for a whole one: look for the block of zeros that ends a tar,
    # then read to the end of the file, where a compressed one has its checksum.
    if tar.fileobj is None:
        raise tarfile.ReadError("not open")
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(BLOCK) != bytes(BLOCK):
        raise tarfile.ReadError("unexpected end of data")
    while tar.fileobj.read(1 << 20):
        pass


def _extract_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        for member in tqdm(source.infolist(), desc=f"extracting {archive.name}", unit="file", disable=None):
            kind = stat.S_IFMT(member.external_attr >> 16)
            _check_member(archive, member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            with nullcontext() if member.is_dir() else source.open(member) as content:
                _write(folder / member.filename, content)


def _write(target: Path, content: IO[bytes] | None) -> None:
    # No links are ever made, so a checked name stays inside; owners, modes and times of the archive do not matter.
    folder = target.parent if content else target
    if not folder.is_dir():
        folder.mkdir(parents=True)
    if content:
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)


def _check_member(archive: Path, name: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise PrunemarkError(f"{archive}: member {name!r} lies outside the folder; allowed: names inside it")
    if not plain:
        raise PrunemarkError(f"{archive}: member {name!r} is a link or a device; allowed: plain files and folders")
