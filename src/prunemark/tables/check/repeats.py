"""Rows that stand twice, with different results."""

from __future__ import annotations

from prunemark.tables.check.table_grid import Fault, Grid, Outcome


def repeats(grid: Grid) -> Outcome:
    """Rows are the same where all columns are that hold no results; an empty one means what stands above it.
    Results that round to each other agree."""
    check = "repeated rows agree"
    keys = [column for column in grid.columns if not column.measured]
    results = [column for column in grid.columns if column.measured]
    if not keys or not results:
        return Outcome(check, 0, [], "which columns tell rows apart, and which are results, cannot be told")
    faults: list[Fault] = []
    seen: dict[tuple[str, ...], int] = {}
    above = [""] * len(keys)
    filled = [any(grid.texts[column.index]) and bool(grid.texts[column.index][0]) for column in keys]
    for i in range(len(grid.table.rows)):
        texts = [grid.texts[column.index][i] for column in keys]
        above = [text or (last if full else "") for text, last, full in zip(texts, above, filled, strict=True)]
        first = seen.setdefault(tuple(above), i)
        for column in results if first != i else []:
            there, here = (grid.numbers[column.index][row] for row in (first, i))
            if there and here and abs(there.value - here.value) > there.half + here.half:
                same = " ".join(filter(None, above))
                other = f"{grid.texts[column.index][first]}, as in row {first + 1} of the same {same}"
                faults.append(grid.fault(i, column, other))
    return Outcome(check, len(grid.table.rows), faults)
