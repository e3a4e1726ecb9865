"""Columns that say the same thing twice: changes, complements, sparsity and compression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from prunemark.tables.check.headers import SHARES, Column
from prunemark.tables.check.table_cells import Quantity
from prunemark.tables.check.table_grid import FRACTION, PERCENT, Fault, Grid, Outcome, shown

SLACK = Decimal("1e-9")
# How many rows must all read before - after, so that this is a habit of the table and no slip.
HABIT = 3


@dataclass(frozen=True)
class Compared:
    """A change in a row, what after minus before is there, and how far rounding may part the two."""

    row: int
    change: Quantity
    expected: Decimal
    slack: Decimal

    def fits(self, sign: int) -> bool:
        return abs(self.change.value - sign * self.expected) <= self.slack


def changes(grid: Grid) -> Outcome:
    """A change is after minus before, a loss before minus after. A table that has it the other way round in most of at
    least three rows means it so: then the others are slips."""
    faults, checked = list[Fault](), 0
    for column in grid.of("change", "loss"):
        pair = pair_of(grid, column)
        if pair is None:
            continue
        compared = list(compare(grid, *pair, column))
        sign = direction(column, compared)
        checked += len(compared)
        for found in compared:
            if not found.fits(sign):
                before, after = (grid.texts[c.index][found.row] for c in pair)
                said = f"{after} after - {before} before" if sign == 1 else f"{before} before - {after} after"
                faults.append(grid.fault(found.row, column, f"{shown(sign * found.expected, found.change)} ({said})"))
    reason = "" if checked else "no column of changes with its before and after"
    return Outcome("change = after - before", checked, faults, reason)


def compare(grid: Grid, before: Column, after: Column, change: Column) -> Iterator[Compared]:
    factor, relative = scale_of(grid, before, change)
    for row, (b, a, c) in grid.rows(before, after, change):
        base = abs(b.value) if relative else Decimal(1)
        if base:
            scale = factor / base
            yield Compared(row, c, (a.value - b.value) * scale, c.half + (a.half + b.half) * scale + SLACK)


def direction(column: Column, compared: list[Compared]) -> int:
    """1 where a column is after minus before, -1 where it is before minus after."""
    usual = 1 if column.role == "change" else -1
    fitting = {sign: sum(found.fits(sign) and not found.fits(-sign) for found in compared) for sign in (1, -1)}
    return -usual if fitting[-usual] >= HABIT and fitting[-usual] > fitting[usual] else usual


def pair_of(grid: Grid, change: Column) -> tuple[Column, Column] | None:
    """The before and after that a change belongs to: of the same quantity, the only ones, or the nearest to its left.
    What is after may also go by its quantity alone (``baseline acc``, ``acc``)."""
    pairs = []
    for before in grid.of("before"):
        named = [c for c in grid.of("after") if c.quantity == before.quantity]
        named = named or [c for c in grid.of("share", "value") if before.quantity and c.quantity == before.quantity]
        pairs += [(before, after) for after in named[:1]]
    same = [pair for pair in pairs if pair[0].quantity == change.quantity]
    left = [pair for pair in pairs if pair[1].index < change.index]
    if same or len(pairs) == 1:
        return (same or pairs)[0]
    return max(left, key=lambda pair: pair[1].index) if left and not change.quantity else None


def scale_of(grid: Grid, before: Column, change: Column) -> tuple[Decimal, bool]:
    """By what a difference is multiplied to be the change, and whether it is relative to what was before."""
    percent = change.percent or any(q is not None and q.percent for q in grid.numbers[change.index])
    shares = set(before.quantity) & SHARES or before.percent or any(q and q.percent for q in grid.numbers[before.index])
    if "relative" in change.header.lower() or "rel." in change.header.lower():
        return (PERCENT if percent else FRACTION), True
    if shares:
        large = any(q is not None and abs(q.value) > 1 for q in grid.numbers[change.index])
        return (PERCENT if grid.whole(before) == FRACTION and (percent or large) else FRACTION), False
    return (PERCENT, True) if percent else (FRACTION, False)


def complements(grid: Grid) -> Outcome:
    """Accuracy and error of the same thing are 100 % together."""
    faults, checked = list[Fault](), 0
    errors = {c.quantity: c for c in grid.of("share") if "error" in c.quantity}
    for column in grid.of("share"):
        other = tuple("error" if word == "accuracy" else word for word in column.quantity)
        error = errors.get(other) or errors.get((*column.quantity, "error"))
        if error is None or error is column:
            continue
        whole = max(grid.whole(column), grid.whole(error))
        for i, (a, e) in grid.rows(column, error):
            checked += 1
            if abs(a.value + e.value - whole) > a.half + e.half + SLACK:
                should = f"{shown(whole - a.value, e)} ({whole} - {grid.texts[column.index][i]})"
                faults.append(grid.fault(i, error, should))
    return Outcome("accuracy + error = 100 %", checked, faults, "" if checked else "no accuracy with its error")


def sparsities(grid: Grid) -> Outcome:
    """Sparsity is the share of zeros: 1 - non-zeros / total, or zeros / total."""
    faults, checked = list[Fault](), 0
    totals = grid.of("total")
    for column in grid.of("sparsity") if len(totals) == 1 else []:
        whole = grid.whole(column)
        for counted in grid.of("nonzeros", "zeros"):
            for i, (s, c, t) in grid.rows(column, counted, totals[0]):
                if t.low <= 0:
                    continue
                checked += 1
                ends = [c.low / t.high, c.high / t.low]
                exact = c.value / t.value
                if counted.role == "nonzeros":
                    ends, exact = [1 - ends[1], 1 - ends[0]], 1 - exact
                if s.high < whole * ends[0] - SLACK or s.low > whole * ends[1] + SLACK:
                    texts = f"{grid.texts[counted.index][i]} of {grid.texts[totals[0].index][i]}"
                    should = f"{shown(whole * exact, s)} ({texts} {counted.header})"
                    faults.append(grid.fault(i, column, should))
    return Outcome(
        "sparsity = zeros / total", checked, faults, "" if checked else "no sparsity with non-zeros and one total"
    )


def compressions(grid: Grid) -> Outcome:
    """A compression ratio of weights is 1 / (1 - sparsity)."""
    faults, checked, columns = list[Fault](), 0, grid.of("sparsity")
    for ratio in grid.of("ratio") if len(columns) == 1 else []:
        whole = grid.whole(columns[0])
        for i, (s, r) in grid.rows(columns[0], ratio):
            kept = [1 - s.high / whole, 1 - s.low / whole]
            if kept[1] <= 0 or r.value <= 0:
                continue
            checked += 1
            low, high = 1 / kept[1], 1 / kept[0] if kept[0] > 0 else None
            if r.high < low - SLACK or (high is not None and r.low > high + SLACK):
                exact = 1 - s.value / whole
                of = grid.texts[columns[0].index][i].removesuffix("%").strip() + " %" * (whole == PERCENT)
                should = f"{shown(1 / exact, r)} (1 / (1 - {of}))" if exact else "infinite"
                faults.append(grid.fault(i, ratio, should))
    reason = "" if checked else "no compression ratio with one sparsity"
    return Outcome("compression = 1 / (1 - sparsity)", checked, faults, reason)
