"""The lineage of a cell: the chain of receipts from its scores back to the raw data, with what the journals say.

A pure function of files that ``read`` gives by their names in the repository, so that a run on disk, an archive and a
commit have one lineage. It reads receipts and journals alone; whether the artefacts are as they say, the audit checks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunemark.disk.files import canonical_json
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import RECEIPT, Receipt
from prunemark.formats.written import parse

# The content of a file by its name in the repository, or None where there is none.
Read = Callable[[str], bytes | None]

# The parameter that leads a stage's chain back towards the raw data, the nearest first.
BACK = ("pruned", "marked", "encoder", "data")
JOURNAL_FACTS = (
    "started", "seconds", "host", "cpu", "cpu_capability", "cores", "python", "versions", "commit",
    "code_differs_from_commit", "peak_memory_bytes",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One stage run of a lineage.

    ``role``: the parameter by which the step above names it (``pruned``, ``original``, ``null`` ...), empty for the
    first. ``main``: whether it lies on the one path from the scores back to the raw data; the others were read beside.
    ``sha256``: of the receipt, as it was read.
    """

    folder: str
    role: str
    main: bool
    receipt: Receipt
    journal: Journal | None
    sha256: str

    @property
    def path(self) -> str:
        return f"{self.folder}/{RECEIPT}"

    @property
    def code_sha256(self) -> str:
        """One hash for all code that ran: of its files' names and hashes."""
        return hashlib.sha256(canonical_json(self.receipt.code).encode()).hexdigest()

    @property
    def recompute(self) -> str:
        """The command that runs this step again, and what stands on it (the report holds the hashes of journals)."""
        return f"snakemake --cores 1 --forcerun {self.path}"

    def facts(self) -> dict[str, Any]:
        """Everything of the step for machines, with full hashes."""
        receipt = self.receipt.model_dump(exclude={"schema_number"})
        made = {name: getattr(self.journal, name, None) for name in JOURNAL_FACTS}
        named = {"folder": self.folder, "role": self.role, "main": self.main, "receipt_sha256": self.sha256}
        return {**named, **receipt, "code_sha256": self.code_sha256, **made, "recompute": self.recompute}


@dataclass
class Lineage:
    """Steps, each before all that it stands on, so the first is the one asked for and raw data come last; ``breaks``
    says in a line each where a receipt is missing or is not the one that another has read."""

    steps: list[Step] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)

    @property
    def main(self) -> list[Step]:
        return [step for step in self.steps if step.main]


def lineage(read: Read, folder: str) -> Lineage:
    """The lineage of a stage folder such as ``data/scores/...``.

    Raises:
        PrunemarkError: the folder has no receipt, or one in the chain is none.
    """
    first = read_step(read, folder)
    if first is None:
        raise PrunemarkError(f"{folder}/{RECEIPT}: no such file; a lineage begins with a receipt")
    steps_by_folder, breaks = {folder: first}, dict[str, None]()
    queue = [first]
    while queue:
        step = queue.pop()
        for parent in step.receipt.parents:
            expected = step.receipt.inputs[f"{parent}/{RECEIPT}"]
            if parent not in steps_by_folder:
                reached = read_step(read, parent, role_of(step, parent))
                if reached is None:
                    breaks[f"{parent}/{RECEIPT}: missing; {step.path} names it"] = None
                    continue
                steps_by_folder[parent] = reached
                queue.append(reached)
            if steps_by_folder[parent].sha256 != expected:
                breaks[f"{parent}/{RECEIPT}: not the one that {step.path} has read"] = None
    main = set(back(steps_by_folder, folder))
    ordered = [steps_by_folder[name] for name in downwards(steps_by_folder, folder)]
    steps = [Step(s.folder, s.role, s.folder in main, s.receipt, s.journal, s.sha256) for s in ordered]
    return Lineage(steps, list(breaks))


def read_step(read: Read, folder: str, role: str = "") -> Step | None:
    """A step by its folder, without what it stands on; ``None`` where it has no receipt.

    Raises:
        PrunemarkError: what lies there is not a receipt of this schema, or its journal entry is none.
    """
    path = f"{folder}/{RECEIPT}"
    raw = read(path)
    if raw is None:
        return None
    name = journal_path(Path(folder)).as_posix()
    entry = read(name)
    journal = None if entry is None else parse(entry, Journal, name)
    return Step(folder, role, True, parse(raw, Receipt, path), journal, hashlib.sha256(raw).hexdigest())


def role_of(step: Step, parent: str) -> str:
    """The parameter by which a step names a folder that it read."""
    for name, value in step.receipt.parameters.items():
        if value == parent or (isinstance(value, list) and parent in value):
            return str(name)
    return "input"


def back(found: dict[str, Step], folder: str) -> Iterator[str]:
    """The one path from a folder to the raw data."""
    here: str | None = folder
    while here in found:
        yield here
        parameters = found[here].receipt.parameters
        named = (parameters.get(name) for name in BACK)
        here = next((value for value in named if isinstance(value, str) and value in found), None)


def downwards(found: dict[str, Step], folder: str) -> list[str]:
    """All folders, each before those that it stands on."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in found and name not in done:
            for parent in found[name].receipt.parents:
                visit(parent)
            done[name] = None

    visit(folder)
    return list(reversed(done))
