"""A table whose columns are recognised and whose cells are read as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from prunemark.tables.check import table_cells
from prunemark.tables.check.headers import SHARES, Column, recognise
from prunemark.tables.check.reading import Table
from prunemark.tables.check.table_cells import Quantity

PERCENT, FRACTION = Decimal(100), Decimal(1)


@dataclass(frozen=True)
class Fault:
    """One number that cannot stand where it stands: row (the first below the header is 1), line of the file, header of
    its column, the text there, and what it should be."""

    row: int
    line: int
    column: str
    stands: str
    should: str


@dataclass(frozen=True)
class Outcome:
    """What came of one check: how many cells it could be made on, the faults, or the reason why it could not be."""

    check: str
    checked: int
    faults: list[Fault]
    reason: str = ""


class Grid:
    """``n``: the number of trials of every share, where the table has no column for it."""

    def __init__(self, table: Table, n: int | None) -> None:
        self.table, self.n = table, n
        self.columns = recognise(table.headers)
        self.texts = [[row.cells[c.index] for row in table.rows] for c in self.columns]
        self.numbers = [table_cells.column(texts) for texts in self.texts]

    def of(self, *roles: str) -> list[Column]:
        """The columns of these roles that hold any number."""
        return [c for c in self.columns if c.role in roles and any(self.numbers[c.index])]

    def shares(self) -> list[Column]:
        """The columns of shares of n, before and after something included."""
        return [c for c in self.of("share", "before", "after") if c.role == "share" or set(c.quantity) & SHARES]

    def rows(self, *columns: Column) -> Iterator[tuple[int, tuple[Quantity, ...]]]:
        """Row indices and numbers, where all of these columns have one."""
        for i in range(len(self.table.rows)):
            found = [self.numbers[column.index][i] for column in columns]
            known = tuple(q for q in found if q is not None)
            if len(known) == len(columns):
                yield i, known

    def whole(self, column: Column, rows: list[int] | None = None) -> Decimal:
        """What all of it is called in a column of shares: 100 where it is in percent, else 1."""
        numbers = [q for i, q in enumerate(self.numbers[column.index]) if q and (rows is None or i in rows)]
        return PERCENT if column.percent or any(q.percent or abs(q.value) > 1 for q in numbers) else FRACTION

    def fault(self, row: int, column: Column, should: str) -> Fault:
        line = self.table.rows[row].number
        return Fault(row + 1, line, column.header, self.texts[column.index][row], should)


def shown(value: Decimal, like: Quantity) -> str:
    """A number with about as many decimals as another."""
    decimals = min(6, max(0, -int(like.half.adjusted()) - 1))
    return f"{value:.{decimals}f}"
