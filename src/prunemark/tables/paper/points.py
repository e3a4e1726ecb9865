"""What stands in a paper's table: per marked encoder its points, each with the summaries of what was measured there."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from prunemark.page.tables import CONTROLS
from prunemark.questions.sources import PARAMS, Row, Run
from prunemark.results.table import Summary, beyond, summarise

PLACE = ("dataset", "encoder", "watermark", "probe_dataset")
ORIGINAL = ("original", "0")
# Metric, head and check, as in results.csv.
Quantity = tuple[str, str, str]
REFITTED = ("accuracy", "refit", "")
MEASURED: tuple[Quantity, ...] = (
    ("sparsity", "", ""), ("accuracy", "frozen", ""), REFITTED, ("agreement", "frozen", ""),
)  # fmt: skip
SUCCESS = ("AuthSR", "VerSR")
FLOATS = ("value", "ci_low", "ci_high", "statistic", "threshold", "fpr", "fpr_upper")
NUMBERS: dict[str, type] = {**dict.fromkeys(FLOATS, float), "k": int, "n": int}


@dataclass(frozen=True)
class Point:
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
    """One marked encoder on one probe dataset: the table's points, the original first.

    ``place``: dataset, encoder, watermark and probe dataset. ``schemes``: the quantities of success, the encoder's own
    mark before the checks. ``images``: test images behind every accuracy. ``gate``: by how much accuracy may fall
    before a mark is moot; ``None`` where no params.yaml says it. ``altered``: the ways that are no pruners.
    """

    place: tuple[str, ...]
    controls: list[Point]
    points: list[Point]
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
    gate, places = utility_gate(run), grouped(run.rows)
    pruners = {row["pruner"] for row in run.rows if row["metric"] == "mask_bytes"}
    images = {placed(row): int(row["n"]) for row in run.rows if row["metric"] == "accuracy"}
    found = []
    for place, cells in places.items():
        if place[2] in CONTROLS:
            continue
        controls = [
            Point(name, "", other[ORIGINAL])
            for name in CONTROLS
            if (other := places.get((place[0], place[1], name, place[3])))
        ]
        altered = frozenset(way for way, _ in cells if way not in pruners) - {ORIGINAL[0]}
        seeds = cells[ORIGINAL][REFITTED].seeds
        found.append(
            Marked(place, controls, points_of(cells, gate), schemes(cells), images[place], seeds, gate, altered)
        )
    return found


def utility_gate(run: Run) -> float | None:
    raw = run.read(PARAMS)
    return None if raw is None else float(YAML(typ="safe").load(io.BytesIO(raw))["utility_drop"])


def placed(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in PLACE)


def grouped(rows: Iterable[Row]) -> dict[tuple[str, ...], dict[tuple[str, str], dict[Quantity, Summary]]]:
    """By place, way and rate: what was measured there, over seeds and keys."""
    used = {metric for metric, _, _ in MEASURED} | {*SUCCESS}
    found: dict[tuple[str, ...], dict[tuple[str, str], dict[Quantity, Summary]]] = {}
    for summary in summarise([typed(row) for row in rows if row["metric"] in used]):
        at = summary.place
        cells = found.setdefault(placed(at), {})
        cells.setdefault((at["pruner"], at["rate"]), {})[at["metric"], at["head"], at["check"]] = summary
    return found


def typed(row: Row) -> dict[str, Any]:
    """A row as the report's own code has it: numbers as such, and what does not apply absent."""
    return {name: NUMBERS.get(name, str)(text) for name, text in row.items() if text}


def points_of(cells: dict[tuple[str, str], dict[Quantity, Summary]], gate: float | None) -> list[Point]:
    """The original first, then way after way, by rate."""
    order = {way: i for i, way in enumerate(dict.fromkeys(way for way, _ in cells))} | {ORIGINAL[0]: -1}
    ranked = sorted(cells, key=lambda cell: (order[cell[0]], float(cell[1])))
    before = cells[ORIGINAL][REFITTED].value
    return [
        Point(*cell, cells[cell], gate is not None and beyond(before, cells[cell][REFITTED].value, gate))
        for cell in ranked
    ]


def schemes(cells: dict[tuple[str, str], dict[Quantity, Summary]]) -> list[Quantity]:
    found = dict.fromkeys(quantity for cell in cells.values() for quantity in cell if quantity[0] in SUCCESS)
    own = next(iter(next(iter(cells.values())).values())).place["watermark"]
    return sorted(found, key=lambda quantity: quantity[2] != own)
