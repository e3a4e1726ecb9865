"""Why would a step run again? What its receipt says against what params.yaml and the code ask for now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prunemark.engine.pending import LAST_BUILD, MISSING, Pending, pending_steps, summary
from prunemark.errors import PrunemarkError
from prunemark.plan import grid
from prunemark.plan.folders import FOLDERS, STAGES
from prunemark.plan.params_file import read_params
from prunemark.provenance.commits import journal_of

MOST_GROUPS = 10
MOST_REASONS = 4


def why_rerun(which: str | None) -> Iterator[str]:
    """A line in sum, then the steps that would run with their reasons: all of them, those of a stage, or those of a
    folder under data/ and below it. Where none would, what the last build ran.

    Raises:
        PrunemarkError: neither a stage nor a folder of the grid.
    """
    steps = grid.all_steps(read_params())
    chosen = {str(step.folder) for step in steps if concerns(str(step.folder), which)}
    if not chosen:
        raise PrunemarkError(
            f"{which!r:.100}: neither a stage ({', '.join(STAGES)}) nor the folder of a step under data/"
        )
    pending = [entry for entry in pending_steps(steps) if str(entry.step.folder) in chosen]
    if not pending:
        yield f"nothing would run: all of {len(chosen)} are as params.yaml and the code ask"
        yield from last_build(which)
        return
    yield summary(pending)
    own = [entry for entry in pending if entry.reasons]
    alike: dict[tuple[str, ...], list[Pending]] = {}
    for entry in own:
        alike.setdefault((MISSING,) if entry.reasons[0].endswith(" is missing") else entry.reasons, []).append(entry)
    groups = list(alike.values())
    for group in groups[:MOST_GROUPS]:
        yield from described(group)
    if len(groups) > MOST_GROUPS:
        more = sum(map(len, groups[MOST_GROUPS:]))
        yield f"and {more} more with reasons of their own; name one, or a stage, to see it"
    if len(own) < len(pending):
        yield f"the other {len(pending) - len(own)} stand on steps that would run"


def last_build(which: str | None) -> Iterator[str]:
    """What the last `prunemark build` that ran a step ran of it, and why."""
    lines = LAST_BUILD.read_text(errors="replace").splitlines() if LAST_BUILD.is_file() else []
    lines = [line for line in lines if concerns(line.partition(": ")[0], which)]
    if lines:
        yield f"the last build ran {len(lines)} of them:"
        yield from (f"  {line}" for line in lines[:MOST_GROUPS])
    if len(lines) > MOST_GROUPS:
        yield f"  and {len(lines) - MOST_GROUPS} more; name one, or a stage, or see {LAST_BUILD}"


def concerns(folder: str, which: str | None) -> bool:
    if which is None:
        return True
    path = which.rstrip("/")
    if path in STAGES:
        path = f"data/{FOLDERS[path]}"
    return folder == path or folder.startswith(f"{path}/")


def described(group: list[Pending]) -> Iterator[str]:
    """Steps that would run for the same reasons; of code, where the old can be seen."""
    first = group[0]
    yield f"{first.step.folder}" + (f" and {len(group) - 1} more" if len(group) > 1 else "")
    for reason in first.reasons[:MOST_REASONS]:
        yield f"  {reason}"
    if len(first.reasons) > MOST_REASONS:
        yield f"  and {len(first.reasons) - MOST_REASONS} more"
    code = [reason.partition(" ")[0] for reason in first.reasons if "changed meaning" in reason]
    entry = journal_of(Path(first.step.folder)) if code else None
    if entry and entry.commit:
        yield f"  $ git diff {entry.commit[:12]} -- {' '.join(code[:MOST_REASONS])}"
