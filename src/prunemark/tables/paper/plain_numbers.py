"""The points of a paper's table as plain numbers, a column each: shares in percent, ends of intervals, counts."""

from __future__ import annotations

from prunemark.point import ORIGINAL, Point
from prunemark.tables.paper.points import MEASURED, REFITTED, SUCCESS, Marked, Quantity, Variant
from prunemark.tables.paper.table_text import percent, sparsity, survives


def numbers(marked: Marked) -> list[dict[str, str]]:
    """A row per control and point; what was not measured there is empty. Controls stand as in results.csv."""
    controls = [
        row(marked, marked.point._replace(watermark=control.way), Variant(*ORIGINAL, control.found))
        for control in marked.controls
    ]
    return [*controls, *(row(marked, marked.point, variant) for variant in marked.variants)]


def row(marked: Marked, encoder: Point, variant: Variant) -> dict[str, str]:
    named = named_columns(encoder.under(variant.way, variant.rate))
    kind = variant.found[REFITTED].interval
    facts = {"seeds": str(marked.seeds), "images_per_seed": str(marked.images), "intervals": kind}
    for quantity in (*MEASURED, *marked.schemes):
        facts |= columns(variant, quantity, marked.images)
    return named | facts


def named_columns(point: Point) -> dict[str, str]:
    """Where a row belongs; no two rows of the table have them alike, but for controls."""
    return {
        "dataset": point.dataset,
        "encoder": point.encoder,
        "watermark": point.watermark,
        "probe_dataset": point.probe,
        "pruner": point.pruner,
        "rate": point.rate,
    }


def columns(variant: Variant, quantity: Quantity, images: int) -> dict[str, str]:
    """Of one quantity: the share, the ends of its interval and, of success, the counts."""
    summary, (metric, head, check) = variant.found.get(quantity), quantity
    if metric == "sparsity":
        return {"sparsity_percent": sparsity(summary) if summary else ""}
    name, scheme = ("_".join(part for part in parts if part) for parts in ((metric, check, head), (check, head)))
    trials = (summary.n or 0) if summary and metric in SUCCESS else images
    shares = {"percent": "value", "percent_low": "low", "percent_high": "high"}
    values = {f"{name}_{end}": getattr(summary, field, None) for end, field in shares.items()}
    found = {column: "" if value is None else percent(value, trials) for column, value in values.items()}
    if metric in SUCCESS:
        counts = {"keys_that_succeed": "k", "keys_tried": "n"}
        found |= {f"{scheme}_{column}": str(getattr(summary, field, "")) for column, field in counts.items()}
    if metric == "VerSR":
        found[f"{scheme}_moot"] = "yes" if survives(variant, quantity) else ""
    return found
