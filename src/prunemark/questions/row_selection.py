"""Rows of results.csv by metric and columns: ``accuracy[pruner=magnitude rate=0.9 head=refit]``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from prunemark.errors import PrunemarkError
from prunemark.questions.sources import Row

QUESTION = re.compile(r"(?P<metric>[A-Za-z]\w*)\s*(?:\[(?P<columns>[^\[\]]*)\])?")
MOST_NAMED = 40


def is_selection(question: str) -> bool:
    """Whether a question names a metric; else it is a number."""
    return QUESTION.fullmatch(question.strip()) is not None


def select(rows: list[Row], question: str) -> list[tuple[int, Row]]:
    """The rows asked for, by index. Columns are compared as text, or as numbers where both sides are some.

    Raises:
        PrunemarkError: an unknown metric, column or value, or no row with all of them together.
    """
    found = QUESTION.fullmatch(question.strip())
    if found is None:
        raise PrunemarkError(f"{question!r} is no question; allowed: metric[column=value ...], or a number")
    metric, wanted = found["metric"], columns(found["columns"] or "")
    metrics = values(rows, "metric")
    if metric not in metrics:
        raise PrunemarkError(f"metric {metric!r}{unknown(metric, metrics)}")
    left = [(i, row) for i, row in enumerate(rows) if row["metric"] == metric]
    for column, value in wanted:
        if column not in rows[0]:
            raise PrunemarkError(f"column {column!r}{unknown(column, rows[0])}")
        kept = [(i, row) for i, row in left if same(row[column], value)]
        if not kept:
            there = values((row for _, row in left), column)
            raise PrunemarkError(f"{question}: {column} {value!r}{unknown(value, there)}")
        left = kept
    return left


def columns(text: str) -> list[tuple[str, str]]:
    """``name=value`` pairs, separated by spaces or commas.

    Raises:
        PrunemarkError: a part that is no such pair.
    """
    pairs = []
    for part in re.split(r"[\s,]+", text.strip()) if text.strip() else []:
        name, equals, value = part.partition("=")
        if not (name and equals):
            raise PrunemarkError(f"{part!r} is not allowed between brackets: column=value, such as rate=0.9")
        pairs.append((name, value.strip("'\"")))
    return pairs


def values(rows: Iterable[Row], column: str) -> list[str]:
    return list(dict.fromkeys(row[column] for row in rows))


def same(held: str, wanted: str) -> bool:
    try:
        return held == wanted or float(held) == float(wanted)
    except ValueError:
        return False


def unknown(given: str, allowed: Iterable[str]) -> str:
    """The end of an error: what is allowed, the closest first."""
    names = [name or "(empty)" for name in allowed]
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    meant = f"; did you mean {near[0]!r}?" if near else ";"
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f" is not there{meant} allowed: {', '.join(names[:MOST_NAMED])}{more}"
