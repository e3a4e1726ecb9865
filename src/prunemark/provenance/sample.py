"""Which cells a replay draws, and what their agreement says of those not drawn."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import numpy as np

from prunemark.errors import PrunemarkError
from prunemark.plan.folders import Step, stage_of
from prunemark.point import Point
from prunemark.receipts.acceptance import Replay

UNITS = {"s": 1, "m": 60, "h": 3600}
LEVEL = 0.05


def drawn(cells: list[Step], seed: int | None) -> tuple[list[Step], int]:
    """All cells in a random order, whose first n are a sample of n without replacement; and the seed.

    Without a seed one is drawn: a sample that can be foreseen is one that a forger can leave alone.
    """
    seed = secrets.randbits(32) if seed is None else seed
    order = np.random.default_rng(seed).permutation(len(cells))
    return [cells[i] for i in order], seed


def most_wrong(replayed: int, cells: int) -> float:
    """The one-sided 95 % upper bound on the share of wrong cells after ``replayed`` of ``cells`` were all equal: the
    exact rule of three, 1 - 0.05^(1/n) (Hanley and Lippman-Hand 1983), which holds for drawing without replacement all
    the more; nothing is left unknown where all were drawn."""
    return 0.0 if replayed == cells else float(1 - LEVEL ** (1 / replayed))


def bound(replays: list[Replay], steps: int) -> float:
    """The percentage of ``steps`` that may differ, after those that were compared to the byte were equal."""
    equal = sum(replay.epochs == 0 for replay in replays)
    return round(100 * most_wrong(equal, steps), 1) if equal else 100.0


def covering(affected: list[Step], count: int, seed: int | None) -> tuple[list[Step], int]:
    """Steps of every stage in a drawn order: those that add a sub-command, a method or a kind of result, then more
    until there are ``count``; and the seed."""
    order, seed = drawn(affected, seed)
    by_stage: dict[str, list[Step]] = {}
    for step in order:
        by_stage.setdefault(stage_of(step.folder), []).append(step)
    sample = []
    for steps in by_stage.values():
        covered: set[object] = set()
        first, rest = list[Step](), list[Step]()
        for step in steps:
            (rest if labels(step) <= covered else first).append(step)
            covered |= labels(step)
        sample += [*first, *rest[: max(0, count - len(first))]]
    return sample, seed


def labels(step: Step) -> set[object]:
    """What tells a step from others of its stage: what it runs, what kind of results it reads and leaves, and the
    names of its point, the pruner's and the scheme's among them."""
    point = Point() if step.command == "report" else Point.from_path(Path(step.folder))
    named = zip(Point._fields, point, strict=True)
    names = {(field, name) for field, name in named if field not in ("seed", "key", "rate")}
    return {step.command, step.folder.names, *step.methods, *(folder.names for folder in step.reads), *names}


def seconds(text: str) -> float:
    """The seconds of a time such as ``90s``, ``10m`` or ``2h``.

    Raises:
        PrunemarkError: not such a time.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found or float(found[1]) == 0:
        raise PrunemarkError(f"budget: {text!r} is not allowed: a time such as 90s, 10m or 2h")
    return float(found[1]) * UNITS[found[2]]
