"""Which reported numbers differ between two runs, by how much, and because of which input."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from prunemark.questions.appearances import MEASURED
from prunemark.questions.causes import Cause, Chains
from prunemark.questions.sources import Row, Run, folder_of


@dataclass(frozen=True)
class Change:
    """One row that is not the same on both sides, or is on one side alone (``None`` on the other).

    ``size`` makes moves of different units comparable: the difference of the values, relative to the larger of both
    where that is beyond 1; 0 where only other columns than the value differ, which ``columns`` names.
    """

    before: Row | None
    after: Row | None
    size: float
    columns: tuple[str, ...]
    causes: tuple[Cause, ...]

    @property
    def row(self) -> Row:
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True)
class Difference:
    before: str
    after: str
    moved: list[Change]
    appeared: list[Change]
    vanished: list[Change]
    same: int

    def by_cause(self) -> list[tuple[Cause, int, int]]:
        """Of the first causes of what moved, equal reasons together: one of them, in how many steps, and for how many
        numbers."""
        firsts = [change.causes[0] for change in self.moved if change.causes]
        counted = Counter((cause.reason, cause.stage) for cause in firsts).most_common()
        alike = [([c for c in firsts if (c.reason, c.stage) == key], count) for key, count in counted]
        return [(causes[0], len({cause.folder for cause in causes}), count) for causes, count in alike]

    def facts(self) -> dict[str, Any]:
        lists = {"moved": self.moved, "appeared": self.appeared, "vanished": self.vanished}
        return {
            "before": self.before,
            "after": self.after,
            "same": self.same,
            **{name: [change_facts(change) for change in changes] for name, changes in lists.items()},
        }


def diff(before: Run, after: Run) -> Difference:
    """Rows are the same number where all columns are equal but those that are measured. What moved most comes first,
    p-values last."""
    old, new = keyed(before.rows), keyed(after.rows)
    chains = Chains(before, after)
    moved, same = [], 0
    for key in old.keys() & new.keys():
        columns = tuple(name for name in MEASURED if old[key].get(name) != new[key].get(name))
        if columns:
            size = move(old[key], new[key])
            moved.append(Change(old[key], new[key], size, columns, chains.of_row(folder_of(new[key]))))
        same += not columns
    # A p-value leaps where the figures that it tests hardly move.
    moved.sort(key=lambda change: (change.row["unit"] == "p-value", -change.size, sorted(change.row.items())))
    appeared = [Change(None, new[k], 0.0, (), reasons(chains, before, new[k])) for k in new if k not in old]
    vanished = [Change(old[k], None, 0.0, (), reasons(chains, after, old[k])) for k in old if k not in new]
    return Difference(before.name, after.name, moved, appeared, vanished, same)


def keyed(rows: list[Row]) -> dict[tuple[tuple[str, str], ...], Row]:
    return {tuple((name, value) for name, value in row.items() if name not in MEASURED): row for row in rows}


def move(before: Row, after: Row) -> float:
    old, new = float(before["value"]), float(after["value"])
    return abs(new - old) / max(1.0, abs(old), abs(new))


def reasons(chains: Chains, lacking: Run, row: Row) -> tuple[Cause, ...]:
    """Why a row is on one side alone: the other has no such cell, or its step made other rows."""
    folder = folder_of(row)
    if None in chains.pair(folder):
        return (Cause(f"{lacking.name} has no such cell", "evaluate", folder),)
    return chains.of_row(folder)


def change_facts(change: Change) -> dict[str, Any]:
    causes = [{"reason": cause.reason, "stage": cause.stage, "folder": cause.folder} for cause in change.causes]
    facts = {"before": change.before, "after": change.after, "columns": list(change.columns), "causes": causes}
    return facts | {"size": change.size}
