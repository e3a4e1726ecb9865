"""Which reported numbers a source file, a data file, params.yaml or a commit invalidates."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunemark.errors import PrunemarkError
from prunemark.plan import grid
from prunemark.plan.params_file import read_params
from prunemark.provenance.commits import Blobs
from prunemark.provenance.dependents import Dependents
from prunemark.provenance.lineage import Step, read_step
from prunemark.questions.sources import FIRST_LINE, Row, folder_of, open_run
from prunemark.questions.versions import commit_of

AXES = ("dataset", "encoder", "seed", "watermark", "check", "pruner", "rate", "metric")


@dataclass
class Impact:
    """``path``: what was asked for as receipts name it, empty for a commit; ``known``: whether one does. ``stale``: the
    steps that would not be what their receipts say, by folder; the first of each chain in ``begins``, with what
    differs. ``rows``: the reported numbers (line, row) that descend from one of them. ``assembled``: whether the table
    itself was put together by code that differs."""

    question: str
    path: str
    known: bool
    begins: dict[str, list[str]]
    stale: dict[str, str]
    rows: list[tuple[int, Row]]
    total: int
    assembled: list[str]

    @property
    def by_axis(self) -> dict[str, dict[str, int]]:
        return {axis: dict(Counter(row[axis] or "-" for _, row in self.rows)) for axis in AXES}

    @property
    def by_cause(self) -> dict[str, int]:
        """How many steps begin to differ for each cause."""
        return dict(Counter(cause for causes in self.begins.values() for cause in causes))

    def facts(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "steps": self.stale,
            "steps_by_stage": dict(Counter(self.stale.values())),
            "begins": self.begins,
            "numbers": len(self.rows),
            "of": self.total,
            "by": self.by_axis,
            "report_code": self.assembled,
            "rows": [{"line": line, **row} for line, row in self.rows],
        }


def impact(question: str) -> Impact:
    """What a change of a file (or of all in a folder) would invalidate, or what the code of a commit does.

    Raises:
        PrunemarkError: no receipt names such a file, the repository has none, and there is no such commit.
    """
    run, steps = open_run(Path(".")), grid.all_steps(read_params())
    made = {s.folder: s for s in (read_step(run.read, str(step.folder)) for step in steps) if s}
    path = named_path(question)
    named = {name for step in made.values() for name in (*step.receipt.code, *touched(step))} | {"params.yaml"}
    asked = sorted({path} & named or {name for name in named if path == "." or name.startswith(f"{path}/")})
    if asked:
        causes = {folder: [name for name in asked if depends(step, name)] for folder, step in made.items()}
        begins = {folder: names for folder, names in causes.items() if names}
    elif (commit := commit_of(question)) is not None:
        ran = {name for step in made.values() for name in step.receipt.code}
        begins, path = differing(made, Blobs({commit}, ran), commit), ""
    elif not path.startswith(("/", "../")) and Path(path).exists():
        begins = {}
    else:
        near = difflib.get_close_matches(path, sorted(named), n=1) or [name for name in named if path in name][:1]
        meant = f"; did you mean {near[0]}?" if near else ""
        raise PrunemarkError(f"{question}: no commit, and no receipt names such a file{meant}")
    assembled = begins.pop("data/report", [])
    graph = Dependents(steps)
    stale = {folder: made[folder].receipt.stage for folder in graph.descendants(begins) if folder in made}
    if assembled:
        stale["data/report"] = "report"
    rows = [(i + FIRST_LINE, row) for i, row in enumerate(run.rows) if folder_of(row) in stale]
    return Impact(question, path, bool(asked or not path), begins, stale, rows, len(run.rows), assembled)


def named_path(question: str) -> str:
    """A path as receipts name it: relative to the repository where it lies in it."""
    path = Path(os.path.normpath(question))
    with suppress(ValueError):
        return path.relative_to(Path.cwd()).as_posix()
    return path.as_posix()


def touched(step: Step) -> list[str]:
    """What a step read or wrote, and its own receipt."""
    return [*step.receipt.inputs, *step.receipt.outputs, step.path]


def depends(step: Step, path: str) -> bool:
    """Whether a step's result depends on a file: it ran it, read or wrote it, or took its parameters from it."""
    return path in step.receipt.code or path in touched(step) or path == "params.yaml"


def differing(made: dict[str, Step], blobs: Blobs, commit: str) -> dict[str, list[str]]:
    """The steps that ran a file which means something else at the commit, or is not there, with these files."""
    found = {}
    for folder, step in made.items():
        schema, code = step.receipt.schema_number, step.receipt.code
        files = [name for name, digest in code.items() if blobs.identity(schema, commit, name) != digest]
        if files:
            found[folder] = files
    return found
