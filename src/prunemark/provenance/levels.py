"""The levels of the audit, one after the other: what each proved, how long it took, and what it found wrong."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prunemark import grid
from prunemark.errors import PrunemarkError
from prunemark.layout import Step
from prunemark.params import Params
from prunemark.params_file import read_params
from prunemark.provenance.chain import Break
from prunemark.provenance.dependents import Dependents

SCHEMA = 1


@dataclass(frozen=True)
class Found:
    """What one level found: its breaks, what it proved where there are none, what it could not look at, and numbers
    for machines."""

    breaks: list[Break]
    proved: str
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Which levels are asked for. ``replay``: how many cells, or ``None``; ``budget``: seconds, or ``None``. ``clone``:
    whether the replay takes place in a fresh clone, whose data come from the DVC remote ``remote``."""

    recompute: bool = False
    replay: int | None = None
    budget: float | None = None
    seed: int | None = None
    clone: bool = False
    remote: str | None = None


Level = tuple[str, Callable[[Params, list[Step]], Found]]


def levels(asked: Asked) -> list[Level]:
    """The levels asked for, cheapest first; every one rests on those before."""
    wanted: list[Level] = [("audit", chained)]
    if asked.recompute:
        wanted.append(("audit --recompute", recomputed))
    if asked.clone:
        wanted.append(("audit --from-clone", lambda params, steps: cloned(steps, asked)))
    elif asked.replay is not None or asked.budget is not None:
        wanted.append(("audit --replay", lambda params, steps: replayed(steps, asked)))
    return wanted


def chained(params: Params, steps: list[Step]) -> Found:
    from prunemark.provenance.audit import audit

    breaks, notes = audit(params, steps)
    total = Dependents(steps).total
    facts = {"receipts": len(steps), "numbers": total}
    return Found(breaks, f"{len(steps)} receipts and {total} reported numbers, all accounted for", notes, facts)


def recomputed(params: Params, steps: list[Step]) -> Found:
    from prunemark.provenance.recompute.compare import recompute

    outcome = recompute(params, steps)
    facts = {"equal": outcome.equal, "not_recomputed": outcome.left_out}
    proved = f"{outcome.equal} reported figures computed again from the raw samples, all equal to 9 digits"
    return Found(outcome.breaks, proved, outcome.notes, facts)


def replayed(steps: list[Step], asked: Asked) -> Found:
    from prunemark.provenance.replay import replay

    outcome = replay(steps, asked.replay, asked.budget, asked.seed)
    return Found(outcome.breaks, outcome.proved, outcome.notes, outcome.facts)


def cloned(steps: list[Step], asked: Asked) -> Found:
    from prunemark.provenance.clone import audit_clone

    breaks, proved, facts = audit_clone(steps, asked.remote, asked.replay, asked.budget, asked.seed)
    return Found(breaks, proved, [], facts)


def run(asked: Asked, as_json: bool) -> int:
    """Go through the levels asked for and print a line per break, naming file, reason and the reported numbers that
    depend on it, and a line per level; or one JSON document. A level is not run where one before it found a break.

    Returns:
        0 where everything holds, else 1.
    """
    # What is read stays until the end: looking through it for garbage again and again takes a sixth of the time.
    gc.set_threshold(1_000_000)
    document: dict[str, Any] = {"schema": SCHEMA, "levels": []}
    broken = False
    for name, look, params, steps in planned(asked, document):
        if broken:
            document["levels"].append({"level": name, "ran": False})
            say(f"{name}: not run, since the level before found breaks", as_json, sys.stderr)
            continue
        started = time.monotonic()
        found = look(params, steps)
        seconds = round(time.monotonic() - started, 1)
        broken = bool(found.breaks)
        dependents = Dependents(steps) if broken else None
        faults = [{"path": b.path, "reason": b.reason, "dependents": dependents.describe(b.path)}
                  for b in found.breaks if dependents]  # fmt: skip
        for fault in faults:
            say(f"{fault['path']}: {fault['reason']}; {fault['dependents']}", as_json)
        for note in found.notes:
            say(note, as_json, sys.stderr)
        proved = f"{len(faults)} breaks" if broken else found.proved
        say(f"{name}: {proved} ({seconds} s)", as_json, sys.stderr if broken else sys.stdout)
        document["levels"].append(
            {"level": name, "ran": True, "proved": None if broken else found.proved, "seconds": seconds,
             "breaks": faults, "notes": found.notes, **found.facts}
        )  # fmt: skip
    broken = broken or "error" in document
    if "error" in document:
        say(document["error"], as_json)
    if as_json:
        print(json.dumps({**document, "holds": not broken}, indent=1, ensure_ascii=False))
    return int(broken)


def planned(asked: Asked, document: dict[str, Any]) -> list[tuple[str, Callable[..., Found], Params, list[Step]]]:
    try:
        params = read_params()
    except PrunemarkError as error:
        document["error"] = str(error)
        return []
    steps = grid.all_steps(params)
    return [(name, look, params, steps) for name, look in levels(asked)]


def say(line: str, as_json: bool, stream: Any = None) -> None:
    """Print a line for people; where a machine reads, stdout is kept for the document."""
    if not as_json:
        print(line, file=stream or sys.stdout, flush=True)
