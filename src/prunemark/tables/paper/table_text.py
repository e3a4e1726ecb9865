"""The headings, captions and digits of a paper's table.

Shares are in percent. One decimal where 1,000 or more trials stand behind a share, else none: a digit finer than one
trial, or far below the width of the interval, says nothing.
"""

from __future__ import annotations

from prunemark.page.tables import CONTROLS, HEADS
from prunemark.results.table import BOOTSTRAP_SEEDS, Summary
from prunemark.tables.paper.points import MEASURED, SUCCESS, Marked, Quantity, Variant

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
    """The cells of the table as text: controls, the original, then every variant."""
    return [row(marked, variant) for variant in (*marked.controls, *marked.variants)]


def row(marked: Marked, variant: Variant) -> list[str]:
    found = [cell(variant, quantity, marked.images) for quantity in (*MEASURED, *marked.schemes)]
    return [CONTROLS.get(variant.way, variant.way), variant.rate or ABSENT, *found]


def cell(variant: Variant, quantity: Quantity, images: int) -> str:
    summary = variant.found.get(quantity)
    if summary is None:
        return ABSENT
    if quantity[0] == "sparsity":
        return sparsity(summary)
    if quantity[0] not in SUCCESS:
        return percent(summary.value, images) + interval(summary, images)
    mark = MOOT if survives(variant, quantity) else ""
    return f"{summary.k} of {summary.n}{interval(summary, summary.n or 0)}{mark}"


def survives(variant: Variant, quantity: Quantity) -> bool:
    """Whether a mark is found in an encoder that nobody would steal."""
    summary = variant.found.get(quantity)
    return quantity[0] == "VerSR" and variant.moot and summary is not None and summary.value > 0


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
    point = marked.point
    where = f" probed on {point.probe}" if point.probe != point.dataset else ""
    means = f", means over {marked.seeds} seeds" if marked.seeds > 1 else ", one seed"
    said = [
        f"{point.encoder} trained on {point.dataset}{where}, watermark {point.watermark}.",
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
    if not any(survives(variant, quantity) for variant in marked.variants for quantity in marked.schemes):
        return []
    return [f"{MOOT}: moot, a refitted head has lost more than {100 * marked.gate:g} points."]
