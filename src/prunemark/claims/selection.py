"""The points that a claim speaks of, and the rows of the results table behind each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from prunemark.claims.estimates import Numbered, estimate
from prunemark.claims.file import ways
from prunemark.claims.schema import ORIGINAL, PREVIOUS, SUCCESS, Claim, Condition, Where
from prunemark.errors import PrunemarkError
from prunemark.point import Point
from prunemark.results.scores import Row
from prunemark.results.table import Measure, beyond

# What ``where`` may name beside a rate.
NAMED = ("dataset", "encoder", "watermark", "pruner", "probe")


@dataclass(frozen=True)
class Candidate:
    """Where a claim may hold. ``scheme``: a watermark or check where the claim is about one, else empty."""

    point: Point
    scheme: str

    def of(self, dimension: str) -> str:
        name: str = self.scheme if dimension == "scheme" else getattr(self.point, dimension)
        return name


class Table:
    """The rows of results.csv with their lines, by point, check, head and metric."""

    def __init__(self, rows: list[Row], asked: dict[str, Any]) -> None:
        self.asked = asked
        self.members: dict[Measure, list[Numbered]] = defaultdict(list)
        self.schemes: dict[tuple[Point, str], list[str]] = defaultdict(list)
        self.heads: dict[str, set[str]] = defaultdict(set)
        self.of_schemes: set[str] = set()
        self.rates: dict[Point, list[str]] = defaultdict(list)
        for line, row in enumerate(rows, start=2):
            measure = Measure.of(row)
            point, check, head, metric = measure
            self.members[measure].append((line, row))
            self.heads[metric].add(head)
            self.of_schemes |= {metric} if check else set()
            if check not in self.schemes[point, metric]:
                self.schemes[point, metric].append(check)
        points = dict.fromkeys(measure.point for measure in self.members)
        self.points = [point for point in points if point.watermark in asked["watermarks"]]
        for point in sorted(self.points, key=lambda point: float(point.rate)):
            self.rates[point.curve].append(point.rate)

    def find(self, point: Point, scheme: str, metric: str, head: str | None) -> list[Numbered]:
        """The rows of a metric; without a head named, those without one, or a scheme's through the frozen one."""
        checks = self.schemes.get((point, metric), [])
        check = scheme if scheme in checks else ""
        heads = [head] if head else ["", "frozen"] if check else [""]
        found = (self.members.get(Measure(point, check, one, metric)) for one in heads)
        return next((members for members in found if members), [])

    def moot(self, point: Point) -> bool:
        """Whether a refitted head lost more accuracy here than the utility gate allows."""
        now, before = (self.find(p, "", "accuracy", "refit") for p in (point, point.original))
        drop = self.asked["utility_drop"]
        return bool(now and before) and beyond(estimate(before).value, estimate(now).value, drop)

    def base(self, point: Point, minus: str) -> Point | None:
        """What a point is compared with: its original, the next smaller rate above 0, or another pruner."""
        if minus == ORIGINAL:
            return point.original
        if minus != PREVIOUS:
            return point._replace(pruner=minus)
        smaller = [rate for rate in self.rates[point.curve] if 0 < float(rate) < float(point.rate)]
        return point._replace(rate=smaller[-1]) if smaller else None


def candidates(claim: Claim, table: Table) -> list[Candidate]:
    """The points and schemes that ``where`` names, whether or not all that the claim compares was measured there.

    Raises:
        PrunemarkError: a metric that the table does not have, or a head that it was not measured through.
    """
    for condition in claim.holds:
        check_metric(condition, table)
    allowed = ways(claim.where, table.asked)
    points = [point for point in table.points if point.pruner in allowed and named(claim.where, point)]
    return [Candidate(point, scheme) for point in points for scheme in schemes(claim, table, point)]


def check_metric(condition: Condition, table: Table) -> None:
    metric, head = condition.metric, condition.head
    known = sorted({*table.heads, *SUCCESS})
    if metric not in known:
        raise PrunemarkError(f"metric: {metric!r} is not one of {', '.join(known)}")
    if metric.startswith("mcnemar"):
        raise PrunemarkError(f"metric: {metric!r} is not allowed: p-values are not averaged; use significantly")
    heads = table.heads.get(metric, {""})
    if metric not in {*SUCCESS, *table.of_schemes} and (head or "") not in heads:
        given = "missing" if head is None else f"{head!r} is not allowed"
        raise PrunemarkError(f"head: {given}: {metric} is measured through {', '.join(sorted(heads)) or 'no head'}")


def named(where: Where, point: Point) -> bool:
    if where.rate is not None and not where.rate.side.holds(float(point.rate)):
        return False
    chosen = {name: getattr(where, name) for name in NAMED}
    return all(names is None or getattr(point, name) in names for name, names in chosen.items())


def schemes(claim: Claim, table: Table, point: Point) -> list[str]:
    """The schemes that have all of the claim's metrics of schemes at a point; one without a name where it has none."""
    of_schemes = [c for c in claim.holds if c.metric in SUCCESS or c.metric in table.of_schemes]
    if not of_schemes:
        return [""] if claim.where.scheme is None else []
    found = [measured(condition, table, point) for condition in of_schemes]
    chosen = claim.where.scheme
    return [name for name in found[0] if all(name in one for one in found) and (chosen is None or name in chosen)]


def measured(condition: Condition, table: Table, point: Point) -> list[str]:
    """The schemes that have a metric at a point through the head that is named."""
    metric, head = condition.metric, condition.head
    return [name for name in table.schemes.get((point, metric), []) if table.find(point, name, metric, head)]
