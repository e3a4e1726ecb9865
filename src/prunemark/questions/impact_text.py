"""The answer to ``prunemark impact`` in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prunemark.questions.impact import AXES, Impact

NAMED = 8


def lines(found: Impact) -> Iterator[str]:
    """How many numbers, by which steps and along which axes; the files that differ, where a commit was asked for."""
    count = len(found.rows)
    unknown = "" if found.known else ": no receipt names it"
    yield f"{found.path or found.question}: invalidates {count:,} of {found.total:,} reported numbers{unknown}"
    if found.stale:
        yield f"  steps: {listed(Counter(found.stale.values()))}"
    causes = found.by_cause
    if found.assembled:
        yield f"  the report itself is made with it: {', '.join(found.assembled[:NAMED])}"
    if causes and list(causes) != [found.path]:
        yield f"  differ: {listed(Counter(causes), 'in')}"
    if count:
        for axis in AXES:
            yield f"  by {axis}: {listed(Counter(found.by_axis[axis]))}"
        shown = ", ".join(str(line) for line, _ in found.rows[:NAMED])
        yield f"  lines of results.csv: {shown}" + (f" and {count - NAMED:,} more (`--json`)" if count > NAMED else "")


def listed(counted: Counter[str], of: str = "") -> str:
    """Names with their counts, the largest first."""
    words = [f"{name} {of + ' ' if of else ''}{n:,}{' steps' if of else ''}" for name, n in counted.most_common(NAMED)]
    more = f" and {len(counted) - NAMED} more" if len(counted) > NAMED else ""
    return ", ".join(words) + more
