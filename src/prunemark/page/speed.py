"""Sizes of every cell, and beside its multiply-accumulates the times that were really measured."""

from __future__ import annotations

from functools import partial
from typing import Any

from prunemark.formats.conditions import Timed
from prunemark.formats.journal import Latency
from prunemark.page.numbers import Number, Source, plural
from prunemark.page.tables import WHOLE, Column, Group, Line, Panel

STORED = {
    "stored_bytes": "stored by this cell",
    "mask_bytes": "of which mask",
    "mask_entropy_bytes": "entropy of the mask",
    "dense_bytes": "alone: dense, float32",
    "half_bytes": "alone: dense, float16",
    "bitmask_bytes": "alone: bitmask and values",
    "sparse_bytes": "alone: sparse rows",
}
COUNTED = {
    "nonzeros": ("non-zeros", "weights", WHOLE),
    "compression_ratio": ("compression ratio", "parameters / non-zeros", ".2f"),
    "macs": ("MACs done", "per image", WHOLE),
    "macs_nonzero": ("MACs by non-zeros", "per image", WHOLE),
}
BATCHES = ("1", "256")
MEASURED = "median [quartiles] of measured.latency, in ms, or the median as a share of the original\u2019s"


def sizes(panel: Panel) -> dict[str, Any]:
    """What every cell holds, counted: weights, channels, multiply-accumulates, bytes."""
    book = panel.book
    columns = [
        Column("weights removed", "% achieved", partial(book.share, metric="sparsity")),
        Column("channels removed", "% achieved", partial(book.share, metric="channel_sparsity")),
    ]
    counted = COUNTED | {name: (title, "bytes", WHOLE) for name, title in STORED.items()}
    for metric, (title, unit, form) in counted.items():
        columns.append(Column(title, unit, partial(book.plain, metric=metric, form=form), form))
    return {"columns": columns, "groups": panel.groups(columns, lambda point: True)}


def speeds(panel: Panel) -> dict[str, Any]:
    """Measured times by pruner, rate and form, with multiply-accumulates relative to the original beside them; empty
    where nothing was timed, and on downstream probes, whose encoders are the same."""
    timed = panel.conditions.latency
    found = {p: timed[place] for p in panel.pruners if (place := f"{panel.dataset}/{panel.encoder}/{p}") in timed}
    if panel.probe != panel.dataset or not found:
        return {"groups": []}
    columns = [Column("MACs done", "% of the original's", lambda point: None)]
    for batch in BATCHES:
        columns.append(Column(f"batch {batch}", "ms, median [quartiles]", lambda point: None))
        columns.append(Column("beside the original", "% of its time", lambda point: None))
    groups = [Group(pruner, [], timed_lines(panel, pruner, facts.cells)) for pruner, facts in found.items()]
    half = any("bfloat16" in form for facts in found.values() for cell in facts.cells.values() for form in cell)
    return {"columns": columns, "groups": groups, "machines": sorted(set(map(machine, found.values()))), "half": half}


def machine(facts: Timed) -> str:
    return f"{facts.cpu} ({facts.host}) with {plural(facts.threads, 'thread')} of PyTorch"


def timed_lines(panel: Panel, pruner: str, cells: Latency) -> list[Line]:
    """A line per rate and form, every time beside that of the original in the same precision."""
    place = f"scores/{panel.dataset}/{panel.encoder}/latency/{pruner}"
    source = Source(journals=place, note=MEASURED)
    lines = []
    for name in sorted(cells, key=lambda cell: float(cell.split("/")[1])):
        way, rate = name.split("/")
        for form, times in cells[name].items():
            base = cells["original/0"][f"masked, {form.split(', ')[1]}"]
            numbers = [macs_share(panel, way, rate, form)]
            for batch in BATCHES:
                low, median, high = (1000 * seconds for seconds in times[batch])
                share = 100 * times[batch][1] / base[batch][1]
                numbers.append(Number(f"{median:.3g}", f"[{low:.3g}, {high:.3g}]", source))
                numbers.append(Number(f"{share:.0f}", "", source))
            lines.append(
                Line(f"{way}, {form}" if way != "original" else f"original, {form.split(', ')[1]}", rate, numbers)
            )
    return lines


def macs_share(panel: Panel, way: str, rate: str, form: str) -> Number | None:
    """Multiply-accumulates that are done, of the original's: a mask leaves all of them to do."""
    origin = panel.origin(panel.watermarks[0])
    ours, theirs = panel.book.get(origin.under(way, rate), "macs"), panel.book.get(origin, "macs")
    if ours is None or theirs is None:
        return None
    done = theirs if form.startswith("masked") else ours
    source = Source((done.measure, theirs.measure), how="share")
    return Number(f"{100 * done.value / theirs.value:.0f}", "", source)
