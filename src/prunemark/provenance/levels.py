"""The levels of the audit, one after the other: what each proved, how long it took, and what it found wrong."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prunemark.errors import PrunemarkError
from prunemark.plan import grid
from prunemark.plan.folders import Step
from prunemark.plan.params import Params
from prunemark.plan.params_file import read_params
from prunemark.provenance.dependents import Dependents
from prunemark.receipts.chain import Break

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


@dataclass(frozen=True)
class Level:
    """One level by its name, and what looks. ``alone``: it rests on no other, and no other rests on it."""

    name: str
    look: Callable[[Params, list[Step]], Found]
    alone: bool = False


def levels(asked: Asked, beside: Level | None) -> list[Level]:
    """The levels asked for, cheapest first; every one rests on those before, but for the one ``beside`` them."""
    wanted = [Level("audit", chained), *([beside] if beside else [])]
    if asked.recompute:
        wanted.append(Level("audit --recompute", recomputed))
    if asked.clone:
        wanted.append(Level("audit --from-clone", lambda params, steps: cloned(steps, asked)))
    elif asked.replay is not None or asked.budget is not None:
        wanted.append(Level("audit --replay", lambda params, steps: replayed(steps, asked)))
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
    from prunemark.provenance.acceptance_checks import replayed_acceptances
    from prunemark.provenance.replay import replay

    outcome = replay(steps, asked.replay, asked.budget, asked.seed)
    breaks, notes = replayed_acceptances(steps, int(outcome.facts["seed"]))
    return Found([*outcome.breaks, *breaks], outcome.proved, [*outcome.notes, *notes], outcome.facts)


def cloned(steps: list[Step], asked: Asked) -> Found:
    from prunemark.provenance.clone import audit_clone

    breaks, proved, facts = audit_clone(steps, asked.remote, asked.replay, asked.budget, asked.seed)
    return Found(breaks, proved, [], facts)


def run(asked: Asked, as_json: bool, beside: Level | None = None) -> int:
    """Go through the levels asked for and print a line per break, naming file, reason and the reported numbers that
    depend on it, and a line per level; or one JSON document. A level is not run where one that it rests on found a
    break.

    Returns:
        0 where everything holds, else 1.
    """
    # What is read stays until the end: looking through it for garbage again and again takes a sixth of the time.
    gc.set_threshold(1_000_000)
    document: dict[str, Any] = {"schema": SCHEMA, "levels": []}
    holds = rests = True
    for level, params, steps in planned(asked, beside, document):
        if not rests and not level.alone:
            document["levels"].append({"level": level.name, "ran": False})
            say(f"{level.name}: not run, since the level before found breaks", as_json, sys.stderr)
            continue
        entry = looked(level, params, steps, as_json)
        document["levels"].append(entry)
        holds = holds and not entry["breaks"]
        rests = rests and (level.alone or not entry["breaks"])
    if "error" in document:
        holds = False
        say(document["error"], as_json)
    if as_json:
        print(json.dumps({**document, "holds": holds}, indent=1, ensure_ascii=False))
    return int(not holds)


def looked(level: Level, params: Params, steps: list[Step], as_json: bool) -> dict[str, Any]:
    """Run one level and print what it says; returns its part of the document."""
    started = time.monotonic()
    found = level.look(params, steps)
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
    say(f"{level.name}: {proved} ({seconds} s)", as_json, sys.stderr if broken else sys.stdout)
    return {"level": level.name, "ran": True, "proved": None if broken else found.proved, "seconds": seconds,
            "breaks": faults, "notes": found.notes, **found.facts}  # fmt: skip


def planned(asked: Asked, beside: Level | None, document: dict[str, Any]) -> list[tuple[Level, Params, list[Step]]]:
    try:
        params = read_params()
    except PrunemarkError as error:
        document["error"] = str(error)
        return []
    steps = grid.all_steps(params)
    return [(level, params, steps) for level in levels(asked, beside)]


def say(line: str, as_json: bool, stream: Any = None) -> None:
    """Print a line for people; where a machine reads, stdout is kept for the document."""
    if not as_json:
        print(line, file=stream or sys.stdout, flush=True)
