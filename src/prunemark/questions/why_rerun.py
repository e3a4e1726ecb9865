"""Why would a step run again? What its receipt says against what params.yaml and the code ask for now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prunemark.engine.pending import Pending, pending_steps, summary
from prunemark.errors import PrunemarkError
from prunemark.plan import grid
from prunemark.plan.folders import FOLDERS, STAGES, Step
from prunemark.plan.params_file import read_params
from prunemark.provenance.commits import git_state

MOST_STEPS = 10
MOST_REASONS = 4


def why_rerun(which: str | None) -> Iterator[str]:
    """A line in sum, then the steps that would run with their reasons: all of them, those of a stage, or those of a
    folder under data/ and below it.

    Raises:
        PrunemarkError: neither a stage nor a folder of the grid.
    """
    steps = grid.all_steps(read_params())
    chosen = {str(step.folder) for step in steps if concerns(step, which)}
    if not chosen:
        raise PrunemarkError(f"{which}: neither a stage ({', '.join(STAGES)}) nor the folder of a step under data/")
    pending = [entry for entry in pending_steps(steps) if str(entry.step.folder) in chosen]
    if not pending:
        yield f"nothing would run: {len(chosen)} steps are as params.yaml and the code ask"
        return
    yield summary(pending)
    own = [entry for entry in pending if entry.reasons]
    for entry in own[:MOST_STEPS]:
        yield from described(entry)
    if len(own) > MOST_STEPS:
        yield f"and {len(own) - MOST_STEPS} more with reasons of their own; name one, or a stage, to see it"
    if len(own) < len(pending):
        yield f"the other {len(pending) - len(own)} stand on steps that would run"


def concerns(step: Step, which: str | None) -> bool:
    if which is None:
        return True
    path = which.rstrip("/")
    if path in STAGES:
        path = f"data/{FOLDERS[path]}"
    return str(step.folder) == path or str(step.folder).startswith(f"{path}/")


def described(entry: Pending) -> Iterator[str]:
    """A step's folder and its reasons; of code, where the old can be seen."""
    yield f"{entry.step.folder}"
    for reason in entry.reasons[:MOST_REASONS]:
        yield f"  {reason}"
    if len(entry.reasons) > MOST_REASONS:
        yield f"  and {len(entry.reasons) - MOST_REASONS} more"
    code = [reason.partition(" ")[0] for reason in entry.reasons if "changed meaning" in reason]
    commit = (git_state(Path(entry.step.folder)) or (None, False))[0] if code else None
    if commit:
        yield f"  $ git diff {commit[:12]} -- {' '.join(code[:MOST_REASONS])}"
