"""Errors of the kind that published tables contain: every table of a file against itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunemark.tables.check.arithmetic import changes, complements, compressions, sparsities
from prunemark.tables.check.reading import read_tables
from prunemark.tables.check.repeats import repeats
from prunemark.tables.check.table_grid import Grid, Outcome
from prunemark.tables.check.trials import counts, granularity, intervals, ranges

CHECKS = (changes, ranges, granularity, counts, intervals, sparsities, compressions, complements, repeats)


@dataclass(frozen=True)
class Verdict:
    """What came of every check of one table; ``unread``: cells of recognised columns that hold no single number."""

    line: int
    rows: int
    headers: list[str]
    outcomes: list[Outcome]
    unread: dict[str, int]

    @property
    def faults(self) -> int:
        return sum(len(outcome.faults) for outcome in self.outcomes)


def check_tables(path: Path, n: int | None) -> list[Verdict]:
    """The verdicts on all tables of a file; none where it has no table.

    Raises:
        PrunemarkError: the file cannot be read.
    """
    return [verdict(Grid(table, n)) for table in read_tables(path)]


def verdict(grid: Grid) -> Verdict:
    unread = {}
    for column in grid.columns:
        missed = sum(
            bool(t) and q is None for t, q in zip(grid.texts[column.index], grid.numbers[column.index], strict=True)
        )
        if column.measured and column.role != "interval" and missed:
            unread[column.header] = missed
    table = grid.table
    return Verdict(table.line, len(table.rows), table.headers, [check(grid) for check in CHECKS], unread)


def facts(verdicts: list[Verdict]) -> dict[str, Any]:
    return {"tables": [asdict(found) for found in verdicts], "faults": sum(found.faults for found in verdicts)}


def lines(path: Path, verdicts: list[Verdict]) -> Iterator[str]:
    """Per table the errors, what was checked and what could not be."""
    for number, found in enumerate(verdicts, start=1):
        yield f"{path}, table {number} (line {found.line}, {found.rows:,} rows): {errors(found.faults)}"
        for outcome in found.outcomes:
            for fault in outcome.faults:
                where = f"  row {fault.row} (line {fault.line}), column {fault.column!r}"
                yield f"{where}: {fault.stands}, should be {fault.should} [{outcome.check}]"
        done = [f"{outcome.check} ({outcome.checked:,})" for outcome in found.outcomes if outcome.checked]
        left = dict.fromkeys(outcome.reason for outcome in found.outcomes if not outcome.checked)
        yield f"  checked: {'; '.join(done) or 'nothing'}"
        if left:
            yield f"  not checked: {'; '.join(left)}"
        if found.unread:
            listed = ", ".join(f"{count:,} of {header!r}" for header, count in found.unread.items())
            yield f"  not single numbers, so left out: {listed}"


def errors(count: int) -> str:
    return "no error found" if not count else f"{count:,} error{'s' if count > 1 else ''}"
