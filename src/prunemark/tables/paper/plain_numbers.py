"""The points of a paper's table as plain numbers, a column each: shares in percent, ends of intervals, counts."""

from __future__ import annotations

from prunemark.tables.paper.points import MEASURED, ORIGINAL, PLACE, REFITTED, SUCCESS, Marked, Point, Quantity
from prunemark.tables.paper.table_text import percent, sparsity, survives


def numbers(marked: Marked) -> list[dict[str, str]]:
    """A row per control and point; what was not measured there is empty. Controls stand as in results.csv."""
    dataset, encoder, _, probe = marked.place
    controls = [
        row(marked, (dataset, encoder, point.way, probe), Point(*ORIGINAL, point.found)) for point in marked.controls
    ]
    return [*controls, *(row(marked, marked.place, point) for point in marked.points)]


def row(marked: Marked, place: tuple[str, ...], point: Point) -> dict[str, str]:
    kind = point.found[REFITTED].interval
    found = dict(zip(PLACE, place, strict=True)) | {"pruner": point.way, "rate": point.rate}
    found |= {"seeds": str(marked.seeds), "images_per_seed": str(marked.images), "intervals": kind}
    for quantity in (*MEASURED, *marked.schemes):
        found |= columns(point, quantity, marked.images)
    return found


def columns(point: Point, quantity: Quantity, images: int) -> dict[str, str]:
    """Of one quantity: the share, the ends of its interval and, of success, the counts."""
    summary, (metric, head, check) = point.found.get(quantity), quantity
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
        found[f"{scheme}_moot"] = "yes" if survives(point, quantity) else ""
    return found
