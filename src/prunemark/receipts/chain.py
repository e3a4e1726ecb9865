"""One receipt against the files it vouches for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunemark.disk.files import read_json, sha256_file, write_json
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import RECEIPT, Receipt, read_receipt
from prunemark.plan.folders import CLAIMS
from prunemark.receipts.acceptance import origins
from prunemark.receipts.recorder import identity_for

LONGEST = 500  # characters of a path, and of what is said of it
CACHE = Path(".prunemark/hashes.json")


@dataclass(frozen=True)
class Break:
    """One place where the chain does not hold: the file at fault and why."""

    path: str
    reason: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.path[:LONGEST]}: {self.reason[:LONGEST]}"


class HashCache:
    """SHA-256 of files, remembered by size, modification time and inode, as DVC does; for builds, not for audits."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = read_json(CACHE) if CACHE.is_file() else {}

    def __call__(self, path: Path) -> str:
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns, status.st_ino]
        if path.as_posix() not in self.known or self.known[path.as_posix()][0] != mark:
            self.known[path.as_posix()] = [mark, sha256_file(path)]
        digest: str = self.known[path.as_posix()][1]
        return digest

    def save(self) -> None:
        write_json(CACHE, self.known)


def receipt_faults(receipt: Receipt, path: str) -> list[Break]:
    """What is wrong with a receipt in itself: its command and its seed must say what its parameters say."""
    faults = []
    if not receipt.says_its_command:
        faults.append(Break(path, "its command does not say its parameters"))
    if receipt.seed != receipt.parameters.get("seed"):
        faults.append(Break(path, "its seed is not that of its parameters"))
    return faults


def named_here(name: str) -> bool:
    """Whether an input is a file of the repository, and no download."""
    return name.startswith("data/") or name == CLAIMS


def file_identity(path: Path, schema: int) -> str:
    """The identity of a source file as it lies here, by which receipts of a schema name code."""
    status = path.stat()
    return _identity_of(path, schema, status.st_mtime_ns, status.st_size, status.st_ino)


@functools.cache
def _identity_of(path: Path, schema: int, *state: int) -> str:
    return identity_for(schema, path.name, path.read_bytes())


class Claims:
    """What all receipts say of the hashes of files and of the identities of code, so that a lone dissenter can be told
    from an altered file."""

    def __init__(self) -> None:
        self.said: dict[str, list[tuple[str, str]]] = {}
        self.code: dict[str, list[tuple[str, str, int]]] = {}
        self.made_again: dict[str, tuple[str, str]] = {}

    def add(self, path: str, receipt: Receipt) -> None:
        """All that the receipt at ``path`` says of files in the repository."""
        inputs = {name: digest for name, digest in receipt.inputs.items() if named_here(name)}
        for name, digest in (inputs | receipt.outputs).items():
            self.said.setdefault(name, []).append((path, digest))
        for name, digest in receipt.code.items():
            self.code.setdefault(name, []).append((path, digest, receipt.schema_number))

    def recomputed(self, name: str, digest: str, source: str) -> None:
        """The hash a file has when it is made again from ``source``."""
        self.made_again[name] = (digest, source)

    def breaks(self, hashed: Callable[[Path], str] = sha256_file) -> list[Break]:
        """Files that are not what is said of them. Where some receipts are right about a file and some are wrong,
        the wrong receipts are at fault; where all are wrong, the file is, unless it was their digits that were altered.
        """
        found = []
        for name, said in self.said.items():
            if not os.path.isfile(name):
                found.append(Break(name, f"missing; {said[0][0]} names it", missing=True))
                continue
            actual = hashed(Path(name))
            again, source = self.made_again.get(name, (actual, ""))
            wrong = [path for path, digest in said if digest != actual]
            lone = len(wrong) == len(said) and not all(misprint(digest, actual) for _, digest in said)
            if again != actual:
                found.append(Break(name, f"does not come out again from {source}"))
            elif wrong and (not lone or name in self.made_again):
                found += [Break(path, f"says that {name} has another sha256 than it has") for path in wrong]
            elif wrong:
                found.append(Break(name, f"sha256 is {actual[:12]}, its receipts say {said[0][1][:12]}"))
        return found + self.code_breaks()

    def code_breaks(self) -> list[Break]:
        """Source files that mean something else than when steps ran: each once, or the one receipt that says so."""
        found = []
        origin = origins()
        for name, said in self.code.items():
            if not os.path.isfile(name):
                found.append(Break(name, f"missing; {said[0][0]} names it as its code", missing=True))
                continue
            here = {schema: origin(name, file_identity(Path(name), schema)) for schema in {entry[2] for entry in said}}
            wrong = [path for path, digest, schema in said if origin(name, digest) != here[schema]]
            if len(wrong) == 1 and len(said) > 1:
                found.append(Break(wrong[0], f"says that {name} has another meaning than it has"))
            elif wrong:
                remedy = "`prunemark build` runs them again, `prunemark accept` tests whether their results stay"
                found.append(
                    Break(name, f"changed its meaning since {len(wrong)} of {len(said)} steps ran it: {remedy}")
                )
        return found


def misprint(said: str, actual: str) -> bool:
    """Whether a hash as a receipt says it is the right one but for a few digits: an altered file would have another
    one altogether, so that it is the receipt which was altered."""
    return len(said) == len(actual) and sum(a != b for a, b in zip(said, actual, strict=True)) <= 4


def check_folder(folder: Path, hashed: Callable[[Path], str]) -> list[Break]:
    """The breaks of one folder by its receipt alone."""
    path = (folder / RECEIPT).as_posix()
    try:
        receipt = read_receipt(folder)
    except PrunemarkError as error:
        return [Break(path, str(error).removeprefix(f"{path}: "))]
    claims = Claims()
    claims.add(path, receipt)
    return receipt_faults(receipt, path) + claims.breaks(hashed)
