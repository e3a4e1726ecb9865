"""The results table as compact JSON for the page: every row, and of every summary what the rows do not say themselves.

``page/rows.js`` reads it back. Rows keep their order, so that the script knows the line of each in results.csv; a
summary goes over the rows of one group (`prunemark.results.table.GROUP`), numbered by their first rows.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from prunemark.point import CELL, Point
from prunemark.results.columns import COLUMNS, COUNTED, FACTS, KIND
from prunemark.results.scores import DIGITS, Row
from prunemark.results.table import BOOTSTRAP_SEEDS, GROUP, TRIALS, Summary


class Interned:
    """Values by number, each held once."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

    @property
    def values(self) -> list[Any]:
        return list(self.numbers)


def packed_rows(rows: list[Row]) -> dict[str, Any]:
    """All rows, cell by cell: names, kinds, counts and facts once each, and per cell which of them its rows have."""
    names, kinds, counted, facts = Interned(), Interned(), Interned(), Interned()
    cells: list[list[Any]] = []
    last = Point()
    for row in rows:
        point = Point.from_row(row)
        if point != last:
            cells.append([[names(part) for part in point], [], [], []])
            last = point
        kind = kinds(tuple(names(row.get(name, "")) for name in KIND))
        # 1 and 1.0 are one number, and one of them is written.
        counts = counted(trimmed(float_or_none(row.get(name)) for name in COUNTED))
        cells[-1][1].append(kind)
        cells[-1][2].append(counts)
        if any(name in row for name in FACTS):
            cells[-1][3].append(facts(tuple(float_or_none(row.get(name)) for name in FACTS)))
        else:
            cells[-1][3].append(-1)
    templates = Interned()
    for entry in cells:
        entry[1] = templates(tuple(entry[1]))
        entry[3] = [number for number in entry[3] if number >= 0]
    has_facts = sorted({names.numbers[row["metric"]] for row in rows if any(name in row for name in FACTS)})
    return {
        "columns": {"all": COLUMNS, "cell": CELL, "kind": KIND, "counted": COUNTED, "facts": FACTS, "group": GROUP},
        "names": names.values,
        "kinds": kinds.values,
        "templates": templates.values,
        "counted": [list(values) if len(values) > 1 else values[0] for values in counted.values],
        "facts": facts.values,
        "with_facts": has_facts,
        "cells": cells,
    }


def float_or_none(value: Any) -> Any:
    """Whole numbers without their point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def trimmed(values: Any) -> tuple[Any, ...]:
    found = tuple(values)
    while len(found) > 1 and found[-1] is None:
        found = found[:-1]
    return found


def packed_summaries(rows: list[Row], summaries: list[Summary]) -> dict[str, Any]:
    """Value, low and high of the summaries by number, but for those that a script finds in the same way: the mean over
    seeds of the mean over keys, and the range of these."""
    members: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        members[tuple(str(row.get(name, "")) for name in GROUP)].append(row)
    kept = {}
    for number, (summary, group) in enumerate(zip(summaries, members.values(), strict=True)):
        found = [summary.value, summary.low, summary.high]
        if found != plain(group):
            kept[str(number)] = [float_or_none(value) for value in found]
    return {"kept": kept, "trials": TRIALS, "bootstrap_seeds": BOOTSTRAP_SEEDS, "digits": DIGITS}


def plain(group: list[Row]) -> list[float | None]:
    """Value, low and high as the script finds them."""
    if len(group) == 1:
        return [group[0]["value"], group[0].get("ci_low"), group[0].get("ci_high")]
    seeds: dict[str, list[float]] = defaultdict(list)
    for row in group:
        seeds[row["seed"]].append(row["value"])
    means = [sum(values) / len(values) for values in seeds.values()]
    ends = [min(means), max(means)] if 1 < len(means) < BOOTSTRAP_SEEDS else [None, None]
    return [to_precision(value) for value in (sum(means) / len(means), *ends)]


def to_precision(value: float | None) -> float | None:
    """JavaScript's ``toPrecision``, which rounds a half up where Python rounds it to even."""
    if value is None:
        return None
    return float(Context(prec=DIGITS, rounding=ROUND_HALF_UP).create_decimal(Decimal(value)))
