"""The headings, captions and digits of a paper's table.

Shares are in percent. One decimal where 1,000 or more trials stand behind a share, else none: a digit finer than one
trial, or far below the width of the interval, says nothing.
"""

from __future__ import annotations

from prunemark.page.tables import CONTROLS, HEADS
from prunemark.results.table import BOOTSTRAP_SEEDS, Summary
from prunemark.tables.paper.points import MEASURED, SUCCESS, Marked, Point, Quantity

FINE = 1000
ABSENT = "-"
MOOT = "\u2020"


def headings(marked: Marked) -> list[str]:
    way, rate = ("pruner or alteration", "rate or strength") if marked.altered else ("pruner", "rate")
    return [way, rate, *map(heading, (*MEASURED, *marked.schemes))]


def heading(quantity: Quantity) -> str:
    metric, head, check = quantity
    unit = "(keys)" if metric in SUCCESS else "(%)"
    what = ", ".join(part for part in (f"{metric} {check}".rstrip(), HEADS.get(head, "")) if part)
    return f"{what} {unit}"


def rows(marked: Marked) -> list[list[str]]:
    """The cells of the table as text: controls, the original, then every point."""
    return [row(marked, point) for point in (*marked.controls, *marked.points)]


def row(marked: Marked, point: Point) -> list[str]:
    found = [cell(point, quantity, marked.images) for quantity in (*MEASURED, *marked.schemes)]
    return [CONTROLS.get(point.way, point.way), point.rate or ABSENT, *found]


def cell(point: Point, quantity: Quantity, images: int) -> str:
    summary = point.found.get(quantity)
    if summary is None:
        return ABSENT
    if quantity[0] == "sparsity":
        return sparsity(summary)
    if quantity[0] not in SUCCESS:
        return percent(summary.value, images) + interval(summary, images)
    mark = MOOT if survives(point, quantity) else ""
    return f"{summary.k} of {summary.n}{interval(summary, summary.n or 0)}{mark}"


def survives(point: Point, quantity: Quantity) -> bool:
    """Whether a mark is found in an encoder that nobody would steal."""
    summary = point.found.get(quantity)
    return quantity[0] == "VerSR" and point.moot and summary is not None and summary.value > 0


def sparsity(summary: Summary) -> str:
    return f"{100 * summary.value:.4g}"


def percent(share: float, trials: int) -> str:
    return f"{100 * share:.{int(trials >= FINE)}f}"


def interval(summary: Summary, trials: int) -> str:
    if summary.low is None or summary.high is None:
        return ""
    return f" [{percent(summary.low, trials)}, {percent(summary.high, trials)}]"


def intervals(seeds: int) -> str:
    """What stands in brackets: the rule of `results.summarise`."""
    if seeds == 1:
        return "95 % Wilson intervals"
    return f"ranges over {seeds} seeds" if seeds < BOOTSTRAP_SEEDS else "95 % bootstrap intervals over seeds"


def caption(marked: Marked) -> str:
    dataset, encoder, watermark, probe = marked.place
    where = f" probed on {probe}" if probe != dataset else ""
    means = f", means over {marked.seeds} seeds" if marked.seeds > 1 else ", one seed"
    said = [
        f"{encoder} trained on {dataset}{where}, watermark {watermark}.",
        f"Accuracy and agreement with the original: % of {marked.images:,} test images{means}.",
    ]
    said += ["AuthSR, VerSR: keys that succeed of keys tried, intervals in %."] if marked.schemes else []
    said += [f"In brackets: {intervals(marked.seeds)}."]
    return " ".join([*said, *moot(marked)])


def moot(marked: Marked) -> list[str]:
    if not any(metric == "VerSR" for metric, _, _ in marked.schemes):
        return []
    if marked.gate is None:
        return ["Whether a mark that survives is moot is not said: the run has no params.yaml."]
    if not any(survives(point, quantity) for point in marked.points for quantity in marked.schemes):
        return []
    return [f"{MOOT}: moot, a refitted head has lost more than {100 * marked.gate:g} points."]
