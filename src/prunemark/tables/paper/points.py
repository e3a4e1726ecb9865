"""What stands in a paper's table: per marked encoder its points, each with the summaries of what was measured there."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from prunemark.page.tables import CONTROLS
from prunemark.plan.params import UTILITY_DROP
from prunemark.point import Point
from prunemark.questions.sources import PARAMS, Row, Run
from prunemark.results.columns import NUMBERS
from prunemark.results.table import Measure, Summary, beyond, summarise

# Metric, head and check, as in results.csv.
Quantity = tuple[str, str, str]
Measured = dict[Point, dict[Quantity, Summary]]
REFITTED = ("accuracy", "refit", "")
MEASURED: tuple[Quantity, ...] = (
    ("sparsity", "", ""), ("accuracy", "frozen", ""), REFITTED, ("agreement", "frozen", ""),
)  # fmt: skip
SUCCESS = ("AuthSR", "VerSR")


@dataclass(frozen=True)
class Variant:
    """A row of the table: an encoder under one pruner or alteration (``way``) at one rate or strength.

    ``moot``: whether a refitted head has lost more accuracy than the utility gate allows, so that nobody would steal
    the encoder.
    """

    way: str
    rate: str
    found: dict[Quantity, Summary]
    moot: bool = False


@dataclass(frozen=True)
class Marked:
    """One marked encoder (``point``) on one probe dataset: the table's rows, the original first.

    ``schemes``: the quantities of success, the encoder's own
    mark before the checks. ``images``: test images behind every accuracy. ``gate``: by how much accuracy may fall
    before a mark is moot; ``None`` where no params.yaml says it. ``altered``: the ways that are no pruners.
    """

    point: Point
    controls: list[Variant]
    variants: list[Variant]
    schemes: list[Quantity]
    images: int
    seeds: int
    gate: float | None
    altered: frozenset[str]


def marked_encoders(run: Run) -> list[Marked]:
    """Every marked encoder of a run, in the order of results.csv.

    Raises:
        PrunemarkError: the run has no results table.
    """
    gate, encoders = utility_gate(run), grouped(run.rows)
    pruners = {row["pruner"] for row in run.rows if row["metric"] == "mask_bytes"}
    images = {encoder_of(Measure.of(row).point): int(row["n"]) for row in run.rows if row["metric"] == "accuracy"}
    marked = []
    for point, measured in encoders.items():
        if point.watermark in CONTROLS:
            continue
        controls = [
            Variant(name, "", other[control.original])
            for name in CONTROLS
            if (other := encoders.get(control := point._replace(watermark=name)))
        ]
        altered = frozenset(p.pruner for p in measured if not p.is_original and p.pruner not in pruners)
        seeds = measured[point.original][REFITTED].seeds
        rows = variants(point, measured, gate)
        own = schemes(point, measured)
        marked.append(Marked(point, controls, rows, own, images[point], seeds, gate, altered))
    return marked


def utility_gate(run: Run) -> float | None:
    raw = run.read(PARAMS)
    return None if raw is None else float(YAML(typ="safe").load(io.BytesIO(raw)).get("utility_drop", UTILITY_DROP))


def encoder_of(point: Point) -> Point:
    return point.under("", "")


def grouped(rows: Iterable[Row]) -> dict[Point, Measured]:
    """By marked encoder: what was measured under each pruner and rate, over seeds and keys."""
    used = {metric for metric, _, _ in MEASURED} | {*SUCCESS}
    encoders: dict[Point, Measured] = {}
    for summary in summarise([typed(row) for row in rows if row["metric"] in used]):
        point, check, head, metric = summary.measure
        measured = encoders.setdefault(encoder_of(point), {})
        measured.setdefault(point, {})[metric, head, check] = summary
    return encoders


def typed(row: Row) -> dict[str, Any]:
    """A row as the report's own code has it: numbers as such, and what does not apply absent."""
    return {name: NUMBERS.get(name, str)(text) for name, text in row.items() if text}


def variants(encoder: Point, measured: Measured, gate: float | None) -> list[Variant]:
    """The original first, then way after way, by rate."""
    ways = dict.fromkeys(point.pruner for point in measured if not point.is_original)
    order = {way: i for i, way in enumerate((encoder.original.pruner, *ways))}
    before = measured[encoder.original][REFITTED].value
    return [
        Variant(
            point.pruner,
            point.rate,
            measured[point],
            gate is not None and beyond(before, measured[point][REFITTED].value, gate),
        )
        for point in sorted(measured, key=lambda point: (order[point.pruner], float(point.rate)))
    ]


def schemes(encoder: Point, measured: Measured) -> list[Quantity]:
    """Those of success, the encoder's own mark first."""
    quantities = dict.fromkeys(q for summaries in measured.values() for q in summaries)
    return sorted((q for q in quantities if q[0] in SUCCESS), key=lambda quantity: quantity[2] != encoder.watermark)
