"""Acceptances: code whose meaning changed and whose results, tried on a sample of steps, did not.

One file each under data/journal/accepted/, named by the SHA-256 of its content. Receipts are never edited: they go on
to name the code that ran, and what plans or audits takes an accepted identity for the one that it was accepted for.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from prunemark.disk.files import canonical_json, read_bytes, sha256
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import JOURNAL
from prunemark.formats.written import Written, parse, write

ACCEPTED = JOURNAL / "accepted"
DIGITS = 16
LONGEST_REASON = 500


class Change(Written):
    """A source file and its identities, as receipts name it and as it is accepted for it."""

    file: str
    before: str
    after: str


class Replay(Written):
    """A step that was executed again. ``epochs``: of training, how many were compared by their losses alone; 0 where
    all outputs were compared, byte for byte. ``outputs``: their SHA-256."""

    folder: str
    epochs: int = Field(ge=0)
    outputs: dict[str, str]


class Acceptance(Written):
    """``commit``: that of the code. ``steps``: how many the change concerns; training, where only its first epoch was
    compared, is not among them. ``bound``: the percentage of them that may differ, with 95 % confidence. ``seed``: that
    the replayed steps were drawn with."""

    NOUN: ClassVar[str] = "an acceptance"

    schema_number: Literal[1] = Field(alias="schema")
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)
    commit: str
    changes: list[Change] = Field(min_length=1)
    steps: int = Field(ge=0)
    replays: list[Replay] = Field(min_length=1)
    seed: int = Field(ge=0)
    bound: float = Field(ge=0, le=100)

    @property
    def limit(self) -> str:
        """What was not compared to the byte, to be said after the bound; empty where all was."""
        by_epoch = any(replay.epochs for replay in self.replays)
        return "; of trained encoders the first epoch alone was compared" if by_epoch else ""

    def encoded(self) -> bytes:
        return canonical_json(self.content()).encode()

    @property
    def path(self) -> Path:
        return ACCEPTED / f"{sha256(self.encoded())[:DIGITS]}.json"


def write_acceptance(acceptance: Acceptance) -> None:
    write(acceptance.path, acceptance)


def read_acceptance(path: Path) -> Acceptance:
    """An acceptance as it was written.

    Raises:
        PrunemarkError: it is none, or was edited since: its name is the hash of its content.
    """
    raw = read_bytes(path)
    acceptance = parse(raw, Acceptance, str(path))
    if acceptance.path != path or raw != acceptance.encoded():
        raise PrunemarkError(f"{path}: edited since it was written: its name is not the hash of its content")
    return acceptance


def acceptances() -> tuple[Acceptance, ...]:
    """Those that lie here and are whole, in the order of their names."""
    return known(state()).acceptances


def faults() -> tuple[tuple[str, str], ...]:
    """Files that are no acceptances, or were edited since, with the reason: nothing rests on them."""
    return known(state()).faults


def origins() -> Callable[[str, str], str]:
    """From a file and its identity to the identity that it was accepted for, through all acceptances that lie here now;
    to itself, where it was not accepted."""
    before = known(state()).before

    def origin(file: str, identity: str) -> str:
        seen = {identity}
        while before.get((file, identity), identity) not in seen:
            identity = before[file, identity]
            seen.add(identity)
        return identity

    return origin


def rests_on(acceptance: Acceptance, code: Mapping[str, str]) -> bool:
    """Whether a receipt that names this code rests on an acceptance: it ran what was changed, and not yet what is
    accepted."""
    origin = origins()
    return any(
        change.file in code
        and code[change.file] != change.after
        and origin(change.file, code[change.file]) == change.before
        for change in acceptance.changes
    )


def as_accepted(code: Mapping[str, str]) -> dict[str, str]:
    """Files and their identities, each identity as the one that it was accepted for."""
    origin = origins()
    return {file: origin(file, identity) for file, identity in code.items()}


class Known(NamedTuple):
    """``before``: by file and identity, the identity that it was accepted for."""

    acceptances: tuple[Acceptance, ...]
    before: dict[tuple[str, str], str]
    faults: tuple[tuple[str, str], ...]


def state() -> tuple[tuple[str, int, int], ...]:
    """What lies here, so that it is read once for as long as nothing changes; what is no file is read as a fault."""
    try:
        entries = sorted(
            (entry for entry in os.scandir(ACCEPTED) if entry.name.endswith(".json")), key=lambda e: e.name
        )
    except OSError:
        return ()
    stats = [(entry.path, entry.stat(follow_symlinks=False)) for entry in entries]
    return tuple((os.path.abspath(path), status.st_mtime_ns, status.st_size) for path, status in stats)


@functools.lru_cache(maxsize=8)
def known(state: tuple[tuple[str, int, int], ...]) -> Known:
    read, wrong = list[Acceptance](), list[tuple[str, str]]()
    for name, _, _ in state:
        path = ACCEPTED / os.path.basename(name)
        try:
            read.append(read_acceptance(path))
        except PrunemarkError as error:
            wrong.append((path.as_posix(), str(error).removeprefix(f"{path}: ")))
    before = {(change.file, change.after): change.before for entry in read for change in entry.changes}
    return Known(tuple(read), before, tuple(wrong))
