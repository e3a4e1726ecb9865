"""Every place where a number appears in a report, as the text of it implies: 92.1 is 92.05 up to 92.15, or in percent.

Numbers lie in results.csv, landmarks.csv, metrics.json (means over seeds) and on the page.
"""

from __future__ import annotations

import bisect
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from prunemark.errors import PrunemarkError
from prunemark.questions.sources import FIRST_LINE, LANDMARKS, REPORT, RESULTS, Row, Run, rows_of
from prunemark.results.columns import FACTS

NUMBER = re.compile(r"[-+\u2212]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?\s*%?")
MEASURED = ("value", *FACTS, "ci_low", "ci_high", "k", "n")
COUNTS = ("k", "n")
LANDMARK = ("value", "low", "high")
# What the page and papers show in percent: shares, and differences of them.
SHARES = {
    "images",
    "keys",
    "wrong keys",
    "benign copies",
    "encoders",
    "removable channels",
    "difference",
    "probability",
}
TREE = ("dataset", "encoder", "watermark", "pruner", "rate")
SOURCE = re.compile(r"results\.csv line (\d+(?:, \d+)*)")
SCRIPTS = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Shown:
    """A number as somebody read it: the interval that rounds to it, and whether it must be in percent."""

    text: str
    value: Decimal
    half: Decimal
    percent_only: bool

    def plain(self, held: str | float) -> bool:
        return not self.percent_only and self.holds(Decimal(str(held)))

    def percent(self, held: str | float) -> bool:
        return self.holds(100 * Decimal(str(held)))

    def holds(self, value: Decimal) -> bool:
        """Within half a unit of the last digit; the lower end belongs to the interval, the upper one does not."""
        return self.value - self.half <= value < self.value + self.half


@dataclass(frozen=True)
class Place:
    """Where a number appears: the file and where in it, the value held there, whether it is shown in percent, and the
    indices of the rows of results.csv that it is made from."""

    file: str
    where: str
    value: str
    percent: bool
    rows: tuple[int, ...]


def shown(text: str) -> Shown:
    """
    Raises:
        PrunemarkError: the text is no number.
    """
    bare = text.strip().replace("\u2212", "-")
    try:
        if not NUMBER.fullmatch(bare):
            raise InvalidOperation
        value = Decimal(bare.rstrip("% ").replace(",", ""))
    except InvalidOperation:
        raise PrunemarkError(f"{text!r} is no question; allowed: metric[column=value ...], or a number") from None
    exponent = value.as_tuple().exponent
    return Shown(text.strip(), value, Decimal(1).scaleb(int(exponent)) / 2, bare.endswith("%"))


def appearances(run: Run, number: Shown) -> list[Place]:
    """All places, those of results.csv first; values before thresholds, ends of intervals and counts."""
    places = [
        *in_results(run.rows, number),
        *in_landmarks(run, number),
        *in_metrics(run, number),
        *on_page(run, number),
    ]
    return sorted(places, key=lambda place: place.file != RESULTS)


def in_results(rows: list[Row], number: Shown) -> Iterator[Place]:
    for column in MEASURED:
        for i, row in enumerate(rows):
            held = row.get(column)
            if held:
                percent = is_share(row, column) and number.percent(held)
                if percent or number.plain(held):
                    yield Place(RESULTS, f"line {i + FIRST_LINE}, {column}", held, percent, (i,))


def is_share(row: Row, column: str) -> bool:
    """Whether people show it in percent."""
    if column in ("value", "ci_low", "ci_high"):
        return row["unit"] in SHARES or row["metric"] == "sparsity"
    return column in ("fpr", "fpr_upper")


def in_landmarks(run: Run, number: Shown) -> Iterator[Place]:
    raw = run.read(LANDMARKS)
    for line, row in enumerate(rows_of(raw, LANDMARKS) if raw else [], start=FIRST_LINE):
        for column in LANDMARK:
            if row[column] and number.plain(row[column]):
                curve = [name for name in ("dataset", "encoder", "watermark", "pruner", "probe_dataset") if row[name]]
                metrics = ("accuracy_change",) if row["what"] == "knee" else ("AuthSR", "VerSR")
                same = [
                    i for i, at in enumerate(run.rows)
                    if at["metric"] in metrics and at["head"] == row["head"] and at["check"] == row["check"]
                    and all(at[name] == row[name] for name in curve)
                ]  # fmt: skip
                where = f"line {line}, {column}: {row['what']} of {row['pruner']} {row['head']}{row['check']}"
                yield Place(LANDMARKS, where, row[column], False, tuple(same))


def in_metrics(run: Run, number: Shown) -> Iterator[Place]:
    """Means over seeds and keys, where a number of metrics.json is made from more than one row."""
    raw = run.read(f"{REPORT}/metrics.json")
    if raw is None:
        return
    behind = defaultdict(list)
    for i, row in enumerate(run.rows):
        name = "_".join(part for part in (row["metric"], row["head"], row["check"]) if part)
        behind[*(row[level] for level in TREE), name].append(i)
    for path, value in leaves(json.loads(raw)):
        rows = behind.get(path, [])
        share = bool(rows) and is_share(run.rows[rows[0]], "value")
        percent = share and number.percent(value)
        if len(rows) != 1 and (percent or number.plain(value)):
            yield Place(f"{REPORT}/metrics.json", "/".join(path), f"{value:.10g}", percent, tuple(rows))


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def on_page(run: Run, number: Shown) -> Iterator[Place]:
    """Where the page shows that very text, outside of scripts; with the rows that the enclosing cell names. Pages of
    earlier runs, kept under examples/, have their tables in the markup; today's have them as data, so that words alone
    are found there."""
    raw = run.read(f"{REPORT}/report.html")
    if raw is None:
        return
    page = SCRIPTS.sub(lambda found: "\n" * found[0].count("\n"), raw.decode())
    text = number.text.rstrip("% ").replace("-", "\u2212")
    ends = [found.end() for found in re.finditer("\n", page)]
    for found in re.finditer(rf"(?<![\d.,\u2212+])\+?{re.escape(text)}(?![\d]|[.,]\d)", page):
        opened = page.rfind("<", 0, found.start())
        tag, closed, _ = page[opened : found.start()].partition(">")
        if closed:
            named = SOURCE.search(tag)
            rows = tuple(int(line) - FIRST_LINE for line in named[1].split(", ")) if named else ()
            line = bisect.bisect_right(ends, found.start()) + 1
            yield Place(f"{REPORT}/report.html", f"line {line}", found[0], False, rows)
