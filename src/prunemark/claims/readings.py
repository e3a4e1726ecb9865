"""One condition at one point: the figure, its interval, the test, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass

from prunemark.claims.estimates import Estimate, difference, estimate, paired
from prunemark.claims.logic import Verdict, every
from prunemark.claims.needs import Need, need, need_of_test
from prunemark.claims.schema import ORIGINAL, Condition
from prunemark.claims.selection import Candidate, Table

LEVEL = 0.05
HEADS = {"frozen": "frozen head", "refit": "refitted head", "knn": "kNN"}
# Changes against the original that the table holds, image by image: metric, sign.
PAIRED = {"accuracy": ("accuracy_change", 1), "error": ("accuracy_change", -1)}


@dataclass(frozen=True)
class Reading:
    """``what`` was measured, and ``test`` what decided; ``clearance``: from the interval to the bound, 0 where open."""

    what: str
    found: Estimate
    test: str
    verdict: Verdict
    clearance: float
    needed: Need | None


def read(condition: Condition, candidate: Candidate, table: Table) -> Reading | None:
    """What a condition says of a point; ``None`` where its figures were not all measured."""
    if condition.significantly:
        return tested(condition, candidate, table)
    found = figure(condition, candidate, table)
    if found is None:
        return None
    side = condition.side
    verdict = side.decide(found.low, found.high)
    clearance = 0.0 if verdict is Verdict.OPEN else side.clearance(found.low or 0.0, found.high or 0.0)
    needed = need(side, found) if verdict is Verdict.OPEN else None
    return Reading(title(condition, candidate, table), found, found.interval, verdict, clearance, needed)


def figure(condition: Condition, candidate: Candidate, table: Table) -> Estimate | None:
    here, scheme = candidate.point, candidate.scheme
    metric, head = condition.metric, condition.head
    if condition.minus is None:
        members = table.find(here, scheme, metric, head)
        return estimate(members) if members else None
    base = table.base(here, condition.minus)
    if base is None or base == here:
        return None
    if condition.minus == ORIGINAL and metric in PAIRED:
        name, sign = PAIRED[metric]
        changes = table.find(here, scheme, name, head)
        return paired(changes, sign) if changes else None
    now, before = table.find(here, scheme, metric, head), table.find(base, scheme, metric, head)
    return difference(now, before) if now and before else None


def comparable(condition: Condition, candidate: Candidate, table: Table) -> bool:
    """Whether a point has something to be compared with: the smallest rate has no previous one, and none has itself."""
    minus = ORIGINAL if condition.significantly else condition.minus
    return minus is None or table.base(candidate.point, minus) not in (None, candidate.point)


def tested(condition: Condition, candidate: Candidate, table: Table) -> Reading | None:
    """Exact McNemar of every encoder on its own, Holm over the rates: all must be significant in the direction that is
    claimed; one that is significant in the other refutes."""
    changes = table.find(candidate.point, "", "accuracy_change", condition.head)
    tests = table.find(candidate.point, "", "mcnemar_p_holm", condition.head)
    if not changes or len(tests) != len(changes):
        return None
    wanted = 1 if condition.significantly == "better" else -1
    moved = {(row["seed"], row["key"]): wanted * row["value"] for _, row in changes}
    verdicts = [direction(row["value"], moved[row["seed"], row["key"]]) for _, row in tests]
    found = paired(changes, 1)
    values = sorted(p["value"] for _, p in tests)
    said = f"{values[0]:.2g}" if len(values) == 1 else f"{values[0]:.2g} to {values[-1]:.2g}"
    verdict = every(verdicts)
    needed = need_of_test(found, values[-1]) if verdict is Verdict.OPEN else None
    test = f"exact McNemar, Holm over the rates, p = {said}"
    return Reading(title(condition, candidate, table), found, test, verdict, abs(found.value), needed)


def direction(p_value: float, change: float) -> Verdict:
    if p_value >= LEVEL:
        return Verdict.OPEN
    return Verdict.SUPPORTED if change > 0 else Verdict.REFUTED


def title(condition: Condition, candidate: Candidate, table: Table) -> str:
    """What was measured, in words, such as ``accuracy (frozen head) minus the original's``."""
    metric = "change of accuracy" if condition.significantly else condition.metric.replace("_", " ")
    head = f" ({HEADS[condition.head]})" if condition.head else ""
    scheme = f" of {candidate.scheme}" if condition.metric in table.of_schemes else ""
    return f"{metric}{head}{scheme}" + (f" minus {of_whom(condition.minus)}" if condition.minus else "")


def of_whom(minus: str) -> str:
    named = {"original": "the original\u2019s", "previous rate": "that of the next smaller rate"}
    return named.get(minus, f"that of {minus} at the same rate")
