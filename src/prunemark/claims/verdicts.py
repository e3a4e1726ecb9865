"""Every claim's verdict: its predicate at every point, joined by its quantifiers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prunemark.claims.estimates import Estimate
from prunemark.claims.logic import Verdict, every, some
from prunemark.claims.needs import said
from prunemark.claims.readings import Reading, comparable, read
from prunemark.claims.schema import SUCCESS, Claim
from prunemark.claims.selection import Candidate, Table, candidates
from prunemark.claims.sentences import predicate
from prunemark.errors import PrunemarkError
from prunemark.results.scores import Row

SCHEMA = 1
SHOWN = 6
JOINED = {"every": every, "some": some}


@dataclass(frozen=True)
class Leaf:
    """A point with what its conditions found there, which must all hold; none where a figure was not measured."""

    candidate: Candidate
    readings: list[Reading]

    @property
    def verdict(self) -> Verdict:
        if not self.readings:
            return Verdict.OPEN
        return every(reading.verdict for reading in self.readings)

    @property
    def clearance(self) -> float:
        """Of what decided: the weakest of all that hold, the clearest of those that do not."""
        clearances = [reading.clearance for reading in self.readings if reading.verdict is self.verdict]
        return (max if self.verdict is Verdict.REFUTED else min)(clearances)

    @property
    def needed(self) -> float:
        counts = [reading.needed.count or math.inf for reading in self.readings if reading.needed]
        return max(counts, default=0)


def judge(claims: dict[str, Claim], rows: list[Row], asked: dict[str, Any]) -> dict[str, Any]:
    """The content of claims.json: every claim's verdict with its grounds, in the order of claims.yaml.

    Raises:
        PrunemarkError: a claim that no row of the table speaks of, in one line.
    """
    table, found = Table(rows, asked), []
    for name, claim in claims.items():
        try:
            found.append({"name": name, "says": claim.says, "predicate": predicate(claim), **decided(claim, table)})
        except PrunemarkError as error:
            raise PrunemarkError(f"claims.yaml: {name}: {error}") from None
    return {"schema": SCHEMA, "claims": found}


def decided(claim: Claim, table: Table) -> dict[str, Any]:
    """Verdict, how many points decided each way, the decisive ones, and what would decide an open one.

    A point that could not be compared is as open as one whose interval is: it is one of every, and may be some.
    """
    matched = candidates(claim, table)
    usable = [candidate for candidate in matched if not (about_marks(claim) and table.moot(candidate.point))]
    all_leaves = [leaf for candidate in usable if (leaf := leaf_at(claim, candidate, table))]
    leaves = [leaf for leaf in all_leaves if leaf.readings]
    if not leaves and not claim.needs and not any(has_figures(claim, candidate, table) for candidate in matched):
        raise PrunemarkError("no row of the results is what it speaks of; say what it `needs`, or mend `where`")
    counts = Counter(leaf.verdict for leaf in leaves)
    points = {verdict.value: counts[verdict] for verdict in Verdict} | {"moot": len(matched) - len(usable)}
    points |= {"not compared": len(all_leaves) - len(leaves)}
    lacking = shortage(claim, matched, table) or ("" if leaves else "points that can be compared and are not moot")
    if lacking:
        return {"verdict": Verdict.OPEN.value, "points": points, "decisive": [], "needed": lacking}
    verdict, resting = settle(all_leaves, claim.order)
    decisive = [leaf for leaf in resting if leaf.readings]
    shown = ordered(decisive, verdict, by_all(claim, verdict))[:SHOWN]
    return {
        "verdict": verdict.value,
        "points": points,
        "decisive": [as_json(leaf) for leaf in shown],
        "needed": wanting(resting) if verdict is Verdict.OPEN else "",
    }


def wanting(leaves: Sequence[Leaf]) -> str:
    """What would decide open points: more trials, or the figures that were not measured."""
    needs = [reading.needed for leaf in leaves for reading in leaf.readings if reading.needed]
    without = sum(not leaf.readings for leaf in leaves)
    figures = f"figures where none was measured ({without:,} point{'s' if without > 1 else ''})" if without else ""
    return "; ".join(part for part in (said(needs), figures) if part)


def ordered(leaves: list[Leaf], verdict: Verdict, by_all: bool) -> list[Leaf]:
    """Open points by what they need; where all points decided, the weakest first; where one suffices, the clearest."""
    if verdict is Verdict.OPEN:
        return sorted(leaves, key=lambda leaf: leaf.needed)
    return sorted(leaves, key=lambda leaf: leaf.clearance, reverse=not by_all)


def about_marks(claim: Claim) -> bool:
    """Whether a claim is one about marks, which beyond the utility gate are moot."""
    return any(condition.metric in SUCCESS for condition in claim.holds)


def leaf_at(claim: Claim, candidate: Candidate, table: Table) -> Leaf | None:
    """What was found at a point; ``None``: there is nothing that it could be compared with."""
    if not all(comparable(condition, candidate, table) for condition in claim.holds):
        return None
    readings = [reading for condition in claim.holds if (reading := read(condition, candidate, table))]
    return Leaf(candidate, readings if len(readings) == len(claim.holds) else [])


def has_figures(claim: Claim, candidate: Candidate, table: Table) -> bool:
    leaf = leaf_at(claim, candidate, table)
    return leaf is not None and bool(leaf.readings)


def shortage(claim: Claim, matched: Sequence[Candidate], table: Table) -> str:
    """What the claim needs and this run does not have, in words; else empty."""
    lacking = []
    for dimension, needed in claim.needs.items():
        here = (
            len(table.asked["seeds"])
            if dimension == "seed"
            else len({candidate.of(dimension) for candidate in matched})
        )
        if here < needed:
            lacking.append(f"{needed} {dimension}{'s' if needed > 1 else ''} (here {here})")
    return ", ".join(lacking)


def settle(leaves: Sequence[Leaf], order: Sequence[tuple[str, str]]) -> tuple[Verdict, list[Leaf]]:
    """The verdict of the quantifiers over all leaves, and the leaves that it rests on."""
    if not order:
        return every(leaf.verdict for leaf in leaves), list(leaves)
    (quantifier, dimension), *inner = order
    groups: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        groups.setdefault(leaf.candidate.of(dimension), []).append(leaf)
    parts = [settle(group, inner) for group in groups.values()]
    verdict = JOINED[quantifier](part for part, _ in parts)
    return verdict, [leaf for part, decisive in parts if part is verdict for leaf in decisive]


def by_all(claim: Claim, verdict: Verdict) -> bool:
    """Whether a verdict rests on all points, so that the weakest matter; else one suffices, and the clearest do."""
    used = {quantifier.split()[0] for quantifier in claim.quantifiers} or {"every"}
    return used == {"every"} if verdict is Verdict.SUPPORTED else used == {"some"} and verdict is Verdict.REFUTED


def as_json(leaf: Leaf) -> dict[str, Any]:
    names = ("dataset", "encoder", "watermark", "probe", "scheme", "pruner", "rate")
    at = {name: leaf.candidate.of(name) for name in names if leaf.candidate.of(name)}
    return {"at": at, "verdict": leaf.verdict.value, "figures": [figure(reading) for reading in leaf.readings]}


def figure(reading: Reading) -> dict[str, Any]:
    found: Estimate = reading.found
    return {
        "what": reading.what,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "test": reading.test,
        "trials": found.trials,
        "unit": found.unit,
        "seeds": found.seeds,
        "lines": found.lines,
        "verdict": reading.verdict.value,
        "needed": str(reading.needed or ""),
    }
