"""Which steps would run, and why: every receipt against what params.yaml and the code ask for now.

Snakemake plans by its own records, which `snakemake --touch` renews; a receipt says the same before and after it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prunemark import registry
from prunemark.disk.files import sha256_file, write_bytes
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import read_receipt
from prunemark.formats.written import read
from prunemark.plan.folders import Step
from prunemark.receipts import code_identity
from prunemark.receipts.acceptance import as_accepted
from prunemark.receipts.differences import code_changes, parameter_changes

LAST_BUILD = Path(".prunemark/last-build.txt")
MOST_CAUSES = 3
MISSING = "outputs are missing"


@dataclass(frozen=True)
class Pending:
    """A step that would run. ``reasons``: its own, old against new. ``cause``: what it comes from, here or in a step
    that it stands on."""

    step: Step
    reasons: tuple[str, ...]
    cause: str


def pending_steps(steps: list[Step]) -> list[Pending]:
    """The steps that would run, in the order of the graph."""
    by_folder: dict[str, Pending] = {}
    for step in steps:
        reasons = tuple(own_reasons(step, by_folder))
        above = [by_folder[str(need)] for need in (*step.needs, *step.reads) if str(need) in by_folder]
        if reasons or above:
            cause = above[0].cause if above else reasons[0].partition(",")[0]
            by_folder[str(step.folder)] = Pending(step, reasons, MISSING if cause.endswith("is missing") else cause)
    return list(by_folder.values())


def own_reasons(step: Step, pending: Mapping[str, Pending]) -> Iterator[str]:
    """Why a step would run by itself: an output, a parameter, an input or a source file. What stands on a step that
    would run (``pending``) has other inputs then, which is no reason of its own."""
    missing = [path for path in step.outputs if not os.path.isfile(path)]
    if missing:
        yield f"{missing[0]} is missing"
        return
    try:
        receipt = read_receipt(Path(step.folder))
    except PrunemarkError as error:
        yield str(error)
        return
    yield from parameter_changes(receipt.parameters, step.parameters, set())
    if receipt.schema_number == 1:
        yield "its receipt is of an earlier version, which names code by its bytes"
    else:
        recorded, now = receipt.code, code_identity.identities(step.command, step.methods)
        yield from code_changes(as_accepted(recorded), as_accepted(now))
    inputs = [folder.receipt for folder in step.needs if str(folder) not in pending]
    yield from input_changes(receipt.inputs, [*inputs, *step.files])
    yield from text_changes(step)


def input_changes(recorded: Mapping[str, str], paths: list[str]) -> Iterator[str]:
    for path in paths:
        if path not in recorded:
            yield f"input {path} is new"
        elif not os.path.isfile(path):
            yield f"input {path} is missing"
        elif sha256_file(Path(path)) != recorded[path]:
            yield f"input {path} changed"


def text_changes(step: Step) -> Iterator[str]:
    """Docstrings that a page prints and that its journal entry has otherwise."""
    if step.described:
        recorded: dict[str, str] = {}
        with suppress(PrunemarkError):
            recorded = read(journal_path(Path(step.folder)), Journal).measured.docstrings or {}
        for name, digest in registry.docstrings(step.described).items():
            if recorded.get(name) != digest:
                yield f"the docstring of {name} changed"


def record(pending: list[Pending]) -> None:
    """Keep what a build is about to run and why, a line per step, for who asks afterwards."""
    lines = [f"{entry.step.folder}: {'; '.join(entry.reasons) or f'stands on a step that runs: {entry.cause}'}\n"
             for entry in pending]  # fmt: skip
    write_bytes(LAST_BUILD, "".join(lines).encode())


def summary(pending: list[Pending]) -> str:
    """``14 steps: 12 because lamp.py changed meaning, 2 because outputs are missing``."""
    causes = Counter(entry.cause for entry in pending).most_common()
    parts = [f"{count} because {cause}" for cause, count in causes[:MOST_CAUSES]]
    rest = sum(count for _, count in causes[MOST_CAUSES:])
    more = [f"{rest} for {len(causes) - MOST_CAUSES} other reasons"] if rest else []
    total = f"{len(pending)} step{'s' if len(pending) != 1 else ''}"
    return f"{total}: {', '.join([*parts, *more])}"
