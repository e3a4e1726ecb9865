"""Shares of n trials: which percentages there can be, k of n, and intervals."""

from __future__ import annotations

import math
from decimal import Decimal

from prunemark.tables.check import table_cells
from prunemark.tables.check.headers import Column
from prunemark.tables.check.table_cells import Quantity
from prunemark.tables.check.table_grid import FRACTION, PERCENT, Fault, Grid, Outcome, shown

SLACK = Decimal("1e-9")


def ranges(grid: Grid) -> Outcome:
    """A share lies between 0 and 100 %."""
    faults, checked = list[Fault](), 0
    for column in [*grid.shares(), *grid.of("sparsity")]:
        for i, (q,) in grid.rows(column):
            checked += 1
            if q.value < 0 or q.value > PERCENT:
                faults.append(grid.fault(i, column, "between 0 and 100 %"))
    return Outcome("shares within 0 and 100 %", checked, faults, "" if checked else "no column of shares")


def granularity(grid: Grid) -> Outcome:
    """Of n trials only multiples of 1/n come out (GRIM: Brown and Heathers 2017). Averages and numbers with a spread
    are left out: several n stand behind them."""
    check, faults, checked, sizes = "percentages possible for n", list[Fault](), 0, grid.of("n")
    if grid.n is None and len(sizes) != 1:
        return Outcome(check, 0, [], "no single column of n, and no --n")
    columns = [c for c in grid.shares() if not c.mean]
    always = False
    for column in columns:
        whole = grid.whole(column)
        for i, q in enumerate(grid.numbers[column.index]):
            n = grid.n if grid.n is not None else trials_at(grid, sizes[0], i)
            if q is None or q.averaged or not n:
                continue
            if whole / n <= 2 * q.half:
                always = True
                continue
            checked += 1
            nearest = [Decimal(k) * whole / n for k in around(q.value * n / whole)]
            if all(abs(q.value - share) > q.half + SLACK for share in nearest):
                near = " or ".join(f"{shown(share, q)} ({round(share * n / whole)} of {n})" for share in nearest)
                faults.append(grid.fault(i, column, near))
    reason = "every percentage of so few decimals is possible for so large an n" if always else "no column of shares"
    return Outcome(check, checked, faults, "" if checked else reason)


def trials_at(grid: Grid, column: Column, row: int) -> int:
    """The n of a row, 0 where it is not a whole number above 0."""
    found = grid.numbers[column.index][row]
    return int(found.value) if found and found.value > 0 and found.value == int(found.value) else 0


def around(value: Decimal) -> list[int]:
    return sorted({math.floor(value), math.ceil(value)})


def counts(grid: Grid) -> Outcome:
    """The percentage beside k of n is k / n, in one cell or over columns."""
    faults, checked = list[Fault](), 0
    for column in grid.columns:
        for i, text in enumerate(grid.texts[column.index]):
            found = table_cells.count(text)
            if found is None:
                continue
            checked += 1
            if found.k > found.n or found.n == 0:
                faults.append(grid.fault(i, column, f"k from 0 to {found.n}"))
            elif found.value and not is_share(found.value, found.k, found.n, PERCENT):
                share = shown(PERCENT * found.k / found.n, found.value)
                faults.append(grid.fault(i, column, f"{share} % ({found.k} of {found.n})"))
    value = the_value(grid)
    hits, sizes = grid.of("k"), grid.of("n")
    if value and len(hits) == len(sizes) == 1:
        rows = list(grid.rows(value, hits[0], sizes[0]))
        whole = grid.whole(value, [i for i, _ in rows])
        for i, (q, k, n) in rows:
            if k.value != int(k.value) or n.value != int(n.value):
                continue
            checked += 1
            if n.value <= 0:
                faults.append(grid.fault(i, sizes[0], "1 or more"))
            elif not 0 <= k.value <= n.value:
                faults.append(grid.fault(i, hits[0], f"0 to {n.value}"))
            elif not is_share(q, int(k.value), int(n.value), whole):
                share = shown(whole * k.value / n.value, q)
                faults.append(grid.fault(i, value, f"{share} ({k.value} of {n.value})"))
    return Outcome("percentage = k / n", checked, faults, "" if checked else "no k of n")


def is_share(found: Quantity, k: int, n: int, whole: Decimal) -> bool:
    return abs(found.value - whole * k / n) <= found.half + SLACK


def the_value(grid: Grid) -> Column | None:
    """The column that unnamed intervals and counts belong to: ``value``, or the only one of shares."""
    named = [c for c in grid.of("value") if not c.quantity]
    shares = grid.of("share")
    return named[0] if named else shares[0] if len(shares) == 1 else None


def intervals(grid: Grid) -> Outcome:
    """A value lies between the ends of its interval, in one cell or over columns; the lower end is the lower."""
    faults, checked = list[Fault](), 0
    for column in grid.columns:
        value = beside(grid, column) if column.role == "interval" else None
        for i, text in enumerate(grid.texts[column.index]):
            found = table_cells.interval(text) if column.role == "interval" or "(" in text or "[" in text else None
            middle = found and (found.value or (value and grid.numbers[value.index][i]))
            if found and middle:
                checked += 1
                faults += outside(grid, i, value or column, middle, found.low, found.high)
    for low in grid.of("low", "high"):
        high = next((c for c in grid.of("high") if c.quantity == low.quantity), None)
        owner = owner_of(grid, low)
        if owner is None or (low is high and any(c.quantity == low.quantity for c in grid.of("low"))):
            continue
        pair = [low, high] if high and low is not high else [low]
        for i, (middle, *ends) in grid.rows(owner, *pair):
            checked += 1
            ends = matched(grid, owner, low, ends)
            lower = ends[0] if low.role == "low" else None
            upper = ends[-1] if high else None
            faults += outside(grid, i, owner, middle, lower, upper)
    return Outcome("value inside its interval", checked, faults, "" if checked else "no value with its interval")


def owner_of(grid: Grid, end: Column) -> Column | None:
    """The column of values that an end of an interval belongs to."""
    if not end.quantity:
        return the_value(grid)
    return next((c for c in grid.of("share", "value") if c.quantity == end.quantity), None)


def beside(grid: Grid, column: Column) -> Column | None:
    """The value that a column of intervals belongs to: of its name, or the numbers just before it."""
    named = [c for c in grid.of("share", "value") if column.quantity and c.quantity == column.quantity]
    left = [c for c in grid.of("share", "value") if c.index == column.index - 1]
    return next(iter(named or left), None)


def matched(grid: Grid, owner: Column, end: Column, ends: list[Quantity]) -> list[Quantity]:
    """Ends in the unit of the value, where one is in percent and the other is not."""
    if owner.percent == end.percent or grid.whole(owner) == grid.whole(end):
        return ends
    factor = PERCENT if grid.whole(owner) == PERCENT else FRACTION / PERCENT
    return [found.scaled(factor) for found in ends]


def outside(
    grid: Grid, row: int, column: Column, value: Quantity, low: Quantity | None, high: Quantity | None
) -> list[Fault]:
    if low and high and low.value > high.value + SLACK:
        return [grid.fault(row, column, f"between ends in order, not {low.value} to {high.value}")]
    if low and value.high < low.low - SLACK:
        return [grid.fault(row, column, f"{low.value} or more, the lower end of its interval")]
    if high and value.low > high.high + SLACK:
        return [grid.fault(row, column, f"{high.value} or less, the upper end of its interval")]
    return []
