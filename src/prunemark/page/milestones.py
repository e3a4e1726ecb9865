"""The table of knees and half-lives of the report page."""

from __future__ import annotations

from typing import Any

from prunemark.page.numbers import Number, Source, plural
from prunemark.page.tables import HEADS, Column, Group, Line, Panel, panel_of
from prunemark.results.landmarks import Entry, Landmark
from prunemark.results.table import BOOTSTRAP_SEEDS

Key = tuple[str, str, str]
OWN = "own mark"


def landmark_table(panel: Panel, entries: list[Entry]) -> dict[str, Any]:
    """One line per pruner of every watermark, one column per knee (by head) and half-life (by scheme and head)."""
    found: dict[tuple[str, str], dict[Key, Number]] = {}
    for line, entry in enumerate(entries, start=2):
        if panel_of(entry.point) == panel.place:
            check = OWN if entry.check == entry.point.watermark else entry.check
            numbers = found.setdefault((entry.point.watermark, entry.point.pruner), {})
            numbers[entry.what, check, entry.head] = number(entry, line, gate(panel, entry))
    keys = sorted({key for numbers in found.values() for key in numbers}, key=lambda key: order(panel, key))
    groups = []
    for watermark in panel.watermarks:
        lines = [
            Line(pruner, "", [found[watermark, pruner].get(key) for key in keys])
            for pruner in panel.pruners
            if (watermark, pruner) in found
        ]
        groups += [Group(watermark, [], lines)] if lines else []
    columns = [Column(title(key), "rate", lambda point: None) for key in keys]
    return {"columns": columns, "groups": groups}


def order(panel: Panel, key: Key) -> tuple[int, int, int]:
    """Knees first, then half-lives, of the own mark and of the checks in the order of the params."""
    what, check, head = key
    return (what == "half-life", ["", OWN, *panel.checks].index(check), ["", *HEADS].index(head))


def title(key: Key) -> str:
    what, check, head = key
    return ", ".join(part for part in (what, check, HEADS.get(head, "")) if part)


def gate(panel: Panel, entry: Entry) -> str:
    """The smallest rate of a pruner whose encoders are beyond the utility gate, or nothing."""
    beyond = (point.rate for point in panel.points if point.curve == entry.point and panel.book.beyond(point))
    return next(beyond, "")


def number(entry: Entry, line: int, beyond: str) -> Number:
    kind = "" if entry.seeds == 1 else "range" if entry.seeds < BOOTSTRAP_SEEDS else "bootstrap"
    parts = (ends(entry.found), plural(entry.seeds, "seed"), kind)
    found = entry.found
    reached = found.tried[1] if found.limit == "never" else found.value or 0
    flag = f"moot from {beyond}" if entry.what == "half-life" and beyond and reached >= float(beyond) else ""
    return Number(shown(entry), ", ".join(part for part in parts if part), Source(line=line, note=entry.note), flag)


def shown(entry: Entry) -> str:
    """The rate, or what the rates tried say of it."""
    found = entry.found
    if found.value is not None:
        return ("\u2265 " if found.limit == "never" else "") + f"{found.value:.4g}"
    smallest, largest = found.tried
    return {"never": f"> {largest:g}", "at once": f"< {smallest:g}", "before": "none"}[found.limit]


def ends(found: Landmark) -> str:
    if found.low is None:
        return ""
    if found.high is None:
        return f"at least {found.low:.4g}" if found.low else "no bounds"
    return f"[{found.low:.4g}, {found.high:.4g}]"
