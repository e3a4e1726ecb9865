"""The points that a claim speaks of, and the rows of the results table behind each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from prunemark.claims.estimates import Numbered, estimate
from prunemark.claims.file import ways
from prunemark.claims.schema import ORIGINAL, PREVIOUS, SUCCESS, Claim, Condition, Where
from prunemark.errors import PrunemarkError
from prunemark.results.scores import Row
from prunemark.results.table import GROUP, beyond

PLACE = ("dataset", "encoder", "watermark", "pruner", "rate", "probe")
Place = tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """``place``: the names of `PLACE`. ``scheme``: a watermark or check where the claim is about one, else empty."""

    place: Place
    scheme: str

    def of(self, dimension: str) -> str:
        return self.scheme if dimension == "scheme" else self.place[PLACE.index(dimension)]


class Table:
    """The rows of results.csv with their lines, by place, check, head and metric."""

    def __init__(self, rows: list[Row], asked: dict[str, Any]) -> None:
        self.asked = asked
        self.members: dict[Place, list[Numbered]] = defaultdict(list)
        self.schemes: dict[tuple[Place, str], list[str]] = defaultdict(list)
        self.heads: dict[str, set[str]] = defaultdict(set)
        self.of_schemes: set[str] = set()
        self.rates: dict[Place, list[str]] = defaultdict(list)
        for line, row in enumerate(rows, start=2):
            key = tuple(str(row.get(name, "")) for name in GROUP)
            place, check, head, metric = key[:6], *key[6:]
            self.members[key].append((line, row))
            self.heads[metric].add(head)
            self.of_schemes |= {metric} if check else set()
            if check not in self.schemes[place, metric]:
                self.schemes[place, metric].append(check)
        self.places = [p for p in dict.fromkeys(key[:6] for key in self.members) if p[2] in asked["watermarks"]]
        for place in sorted(self.places, key=lambda place: float(place[4])):
            self.rates[other(place, rate="")].append(place[4])

    def find(self, place: Place, scheme: str, metric: str, head: str | None) -> list[Numbered]:
        """The rows of a metric; without a head named, those without one, or a scheme's through the frozen one."""
        checks = self.schemes.get((place, metric), [])
        check = scheme if scheme in checks else ""
        heads = [head] if head else ["", "frozen"] if check else [""]
        found = (self.members.get((*place, check, one, metric)) for one in heads)
        return next((members for members in found if members), [])

    def moot(self, place: Place) -> bool:
        """Whether a refitted head lost more accuracy here than the utility gate allows."""
        now, before = (self.find(p, "", "accuracy", "refit") for p in (place, original(place)))
        drop = self.asked["utility_drop"]
        return bool(now and before) and beyond(estimate(before).value, estimate(now).value, drop)

    def base(self, place: Place, minus: str) -> Place | None:
        """What a place is compared with: its original, the next smaller rate above 0, or another pruner."""
        if minus == ORIGINAL:
            return original(place)
        if minus != PREVIOUS:
            return other(place, pruner=minus)
        smaller = [rate for rate in self.rates[other(place, rate="")] if 0 < float(rate) < float(place[4])]
        return other(place, rate=smaller[-1]) if smaller else None


def other(place: Place, **changed: str) -> Place:
    return tuple(changed.get(name, value) for name, value in zip(PLACE, place, strict=True))


def original(place: Place) -> Place:
    return other(place, pruner=ORIGINAL, rate="0")


def candidates(claim: Claim, table: Table) -> list[Point]:
    """The points that ``where`` names, whether or not all that the claim compares was measured there.

    Raises:
        PrunemarkError: a metric that the table does not have, or a head that it was not measured through.
    """
    for condition in claim.holds:
        check_metric(condition, table)
    allowed = ways(claim.where, table.asked)
    places = [place for place in table.places if place[3] in allowed and named(claim.where, place)]
    return [Point(place, scheme) for place in places for scheme in schemes(claim, table, place)]


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


def named(where: Where, place: Place) -> bool:
    chosen = (getattr(where, name) for name in PLACE if name != "rate")
    values = (value for name, value in zip(PLACE, place, strict=True) if name != "rate")
    inside = where.rate is None or where.rate.side.holds(float(place[4]))
    return inside and all(names is None or value in names for names, value in zip(chosen, values, strict=True))


def schemes(claim: Claim, table: Table, place: Place) -> list[str]:
    """The schemes that have all of the claim's metrics of schemes at a place; one without a name where it has none."""
    of_schemes = [c for c in claim.holds if c.metric in SUCCESS or c.metric in table.of_schemes]
    if not of_schemes:
        return [""] if claim.where.scheme is None else []
    found = [measured(condition, table, place) for condition in of_schemes]
    chosen = claim.where.scheme
    return [name for name in found[0] if all(name in one for one in found) and (chosen is None or name in chosen)]


def measured(condition: Condition, table: Table, place: Place) -> list[str]:
    """The schemes that have a metric at a place through the head that is named."""
    metric, head = condition.metric, condition.head
    return [name for name in table.schemes.get((place, metric), []) if table.find(place, name, metric, head)]
