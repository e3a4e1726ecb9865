"""Why a cell is not the same in two runs: where the two chains of receipts part, and by what.

A step is looked at only where what it wrote differs: an edit that changed no byte of its outputs is no cause of what
stands on it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from prunemark.errors import PrunemarkError
from prunemark.provenance.lineage import Step, read_step
from prunemark.questions.sources import REPORT, Run
from prunemark.receipts.differences import parameter_changes

OWN = {"out", "asked"}


@dataclass(frozen=True)
class Cause:
    """What differs, and the step where it does; ``stage`` is that step's sub-command."""

    reason: str
    stage: str
    folder: str


class Chains:
    """The steps of two runs, ``before`` and ``after``, by folder."""

    def __init__(self, before: Run, after: Run) -> None:
        self.runs = (before, after)
        self.pair = functools.cache(self._pair)
        self.causes = functools.cache(self._causes)

    def _pair(self, folder: str) -> tuple[Step | None, Step | None]:
        before, after = (read_step(run.read, folder) for run in self.runs)
        return before, after

    def _causes(self, folder: str) -> tuple[Cause, ...]:
        """All causes of a difference in a folder's outputs, those nearest to the raw data first."""
        before, after = self.pair(folder)
        if before is None or after is None:
            absent = [run.name for run, step in zip(self.runs, (before, after), strict=True) if step is None]
            stage = next((step.receipt.stage for step in (before, after) if step), "")
            return (Cause(f"no {folder} in {' and '.join(absent)}", stage, folder),)
        if before.sha256 == after.sha256:
            return ()
        found: dict[Cause, None] = {}
        if folder != REPORT:
            for parent in sorted({*before.receipt.parents, *after.receipt.parents}, key=depth):
                if self.differs(parent):
                    found |= dict.fromkeys(self.causes(parent))
        own = [Cause(reason, after.receipt.stage, folder) for reason in differences(before, after)]
        if not own and not found and before.receipt.outputs != after.receipt.outputs:
            own = [Cause(surroundings(before, after), after.receipt.stage, folder)]
        return (*found, *(cause for cause in own if cause not in found))

    def differs(self, folder: str) -> bool:
        before, after = self.pair(folder)
        return before is None or after is None or before.receipt.outputs != after.receipt.outputs

    def same_scores(self, folder: str) -> bool:
        """Whether both runs have the same scores file in a folder."""
        before, after = self.pair(folder)
        if before is None or after is None:
            return False
        name = f"{folder}/scores.json"
        return before.receipt.outputs.get(name) == after.receipt.outputs.get(name)

    def of_row(self, folder: str) -> tuple[Cause, ...]:
        """Why a reported number of a scores folder differs: by its chain or, where that gave the same scores, by the
        report."""
        try:
            return self.causes(REPORT if self.same_scores(folder) else folder)
        except PrunemarkError as error:
            return (Cause(str(error), "", folder),)


def depth(folder: str) -> tuple[int, str]:
    """Raw data first, scores last."""
    order = ("data/raw/", "data/encoders/", "data/marked/", "data/pruned/", "data/scores/")
    return next((i for i, start in enumerate(order) if folder.startswith(start)), len(order)), folder


def differences(before: Step, after: Step) -> Iterator[str]:
    """What differs between two runs of one step by itself: parameters, files from outside of the chain, code."""
    old, new = before.receipt, after.receipt
    yield from parameter_changes(old.parameters, new.parameters, OWN)
    alike = old.schema_number == new.schema_number
    if not alike:
        yield "receipts of two schemas, whose code cannot be compared"
    yield from (f"input {line}" for line in hash_changes(old.inputs, new.inputs) if not line.startswith("data/"))
    yield from hash_changes(old.code, new.code) if alike else ()


def hash_changes(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name} {'differs' if name in old and name in new else 'is gone' if name in old else 'is new'}"


def surroundings(before: Step, after: Step) -> str:
    """Of a step that gave other bytes from the same command, code and inputs: what the journals say differs."""
    facts = ("cpu", "cpu_capability", "python", "versions", "host")
    old, new = ({name: value for name in facts for name, value in entries(step, name)} for step in (before, after))
    parts = [f"{n} {old.get(n, '?')} -> {new.get(n, '?')}" for n in sorted({*old, *new}) if old.get(n) != new.get(n)]
    return (
        f"other bytes from the same command, code and inputs; {', '.join(parts) or 'the journals name no difference'}"
    )


def entries(step: Step, name: str) -> list[tuple[str, str]]:
    value = getattr(step.journal, name, None)
    return list(value.items()) if isinstance(value, dict) else [(name, str(value))] if value is not None else []
