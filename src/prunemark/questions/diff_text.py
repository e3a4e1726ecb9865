"""The answer to ``prunemark diff`` in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prunemark.point import CELL
from prunemark.questions.diff import Change, Difference
from prunemark.questions.sources import Row

NAMED = 20
CAUSES = 6


def lines(found: Difference) -> Iterator[str]:
    """Counts, the causes with how much each moved, then the numbers by the size of their move."""
    counts = {"moved": found.moved, "appeared": found.appeared, "vanished": found.vanished}
    listed = ", ".join(f"{len(changes):,} {name}" for name, changes in counts.items())
    yield f"{found.before} -> {found.after}: {listed}, {found.same:,} the same"
    causes = found.by_cause()
    for cause, steps, count in causes[:CAUSES]:
        others = f", {steps} such steps" if steps > 1 else ""
        yield f"  {count:,} moved because {cause.reason} ({cause.stage} {cause.folder}{others})"
    if len(causes) > CAUSES:
        yield f"  and {len(causes) - CAUSES:,} more causes"
    for change in found.moved[:NAMED]:
        yield f"{name(change.row)}: {moved(change)}; {because(change)}"
    if len(found.moved) > NAMED:
        yield f"and {len(found.moved) - NAMED:,} more moved (`--json`)"
    for verb, changes in (("appeared", found.appeared), ("vanished", found.vanished)):
        for reason, count in Counter(because(change) for change in changes).most_common(CAUSES):
            cells = grouped([change for change in changes if because(change) == reason])
            yield f"{count:,} {verb} {reason}: {cells}"


def name(row: Row) -> str:
    what = " ".join(part for part in (row["metric"], row["head"], row["check"]) if part)
    return f"{what} of {'/'.join(row[level] for level in CELL)}"


def moved(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    if "value" in change.columns:
        difference = float(after["value"]) - float(before["value"])
        return f"{before['value']} -> {after['value']} ({difference:+.4g})"
    return ", ".join(f"{column} {before[column]} -> {after[column]}" for column in change.columns)


def because(change: Change) -> str:
    if not change.causes:
        return "no cause: every receipt is the same on both sides"
    more = f" (and {len(change.causes) - 1} more)" if len(change.causes) > 1 else ""
    return f"because {change.causes[0].reason}{more}"


def grouped(changes: list[Change]) -> str:
    """By pruner and rate, the axes along which a grid mostly grows."""
    counted = Counter(f"{change.row['pruner']} {change.row['rate']}" for change in changes)
    words = [f"{place} ({count:,})" for place, count in counted.most_common(CAUSES)]
    return ", ".join(words) + (f" and {len(counted) - CAUSES} more cells" if len(counted) > CAUSES else "")
