"""Where pruning begins to matter, as a table: a row per pruner, from landmarks.csv."""

from __future__ import annotations

from prunemark.page.tables import HEADS
from prunemark.point import Point
from prunemark.questions.sources import LANDMARKS, Row, Run, rows_of
from prunemark.results.landmarks import WORDS
from prunemark.tables.paper.points import Marked
from prunemark.tables.paper.table_text import ABSENT, intervals

Key = tuple[str, str, str]


def landmark_rows(run: Run, marked: Marked) -> dict[str, dict[Key, Row]]:
    """The landmarks of a marked encoder by pruner, then by what they are, head and check; none without the file."""
    raw = run.read(LANDMARKS)
    found: dict[str, dict[Key, Row]] = {}
    for row in rows_of(raw, LANDMARKS) if raw else []:
        if Point.from_row(row).under("", "") == marked.point and row["head"] != "knn":
            found.setdefault(row["pruner"], {})[row["what"], row["head"], row["check"]] = row
    return found


def table(run: Run, marked: Marked) -> tuple[list[str], list[list[str]]]:
    """Headings and cells; no rows where the run has no landmarks."""
    found = landmark_rows(run, marked)
    keys = sorted(dict.fromkeys(key for rows in found.values() for key in rows), key=lambda key: key[0] != "knee")
    tried = {pruner: [v.rate for v in marked.variants if v.way == pruner] for pruner in found}
    rows = [[pruner, *(cell(by_key.get(key), tried[pruner]) for key in keys)] for pruner, by_key in found.items()]
    return ["pruner", *map(heading, keys)], rows


def heading(key: Key) -> str:
    what, head, check = key
    words = {"knee": "knee of accuracy", "half-life": f"half-life of {check}"}[what]
    return ", ".join(part for part in (words, HEADS.get(head, "")) if part) + " (rate)"


def cell(row: Row | None, tried: list[str]) -> str:
    """The rate with its interval, or what the rates tried say of it."""
    if row is None:
        return ABSENT
    inside, _ = WORDS[row["what"]]
    if row["value"]:
        return short(row["value"]) + bounds(row, tried)
    if row["note"].startswith(inside):
        return f"beyond {tried[-1]}{bounds(row, tried)}"
    return f"below {tried[0]}{bounds(row, tried)}" if row["low"] else "none"


def bounds(row: Row, tried: list[str]) -> str:
    if row["high"]:
        return f" [{short(row['low'])}, {short(row['high'])}]"
    return f" (at least {short(row['low'])})" if 0 < float(row["low"]) < float(tried[-1]) else ""


def short(rate: str) -> str:
    return f"{float(rate):.2g}"


def caption(marked: Marked) -> str:
    point = marked.point
    kinds = "95 % intervals" if marked.seeds == 1 else intervals(marked.seeds)
    return (
        f"Where pruning begins to matter: {point.encoder} trained on {point.dataset}, watermark {point.watermark}. "
        "Knee: the largest rate tried such that it and all smaller ones keep accuracy within 1 point. Half-life: the "
        "rate where AuthSR "
        f"or VerSR falls below 50 %. In brackets: {kinds}."
    )
