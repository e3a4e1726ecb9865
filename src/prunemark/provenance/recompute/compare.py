"""Reported figures beside recomputed ones: each difference names its row."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prunemark.disk.files import read_json
from prunemark.errors import PrunemarkError
from prunemark.plan.folders import Step
from prunemark.plan.params import Params
from prunemark.provenance.recompute import summaries
from prunemark.provenance.recompute.recomputed_cells import recomputed_cells
from prunemark.provenance.recompute.reported_figures import Figure, Place
from prunemark.provenance.recompute.sizes import LEFT_OUT
from prunemark.provenance.recompute.summaries import Cell, Known
from prunemark.receipts.chain import Break

# The columns of results.csv that name a cell, in the order of its fields.
COLUMNS = (*Cell._fields[:-1], "probe_dataset")
# All others hold a number.
NAMED = ("schema", *COLUMNS, "metric", "head", "check", "unit")
REPORT = Path("data/report")
RESULTS = REPORT / "results.csv"
DIGITS = 1e-9  # relative: half a unit of the ninth digit, at worst
NOTHING = 1e-12  # absolute: what is left where equal numbers are subtracted
Reported = dict[tuple[Cell, Place], tuple[int, dict[str, str]]]


@dataclass
class Outcome:
    """``equal`` figures, those ``left_out`` by metric (rows and reason), breaks and notes."""

    equal: int = 0
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recompute(params: Params, steps: list[Step]) -> Outcome:
    """Hold results.csv, metrics.json and landmarks.csv against what the kept samples give."""
    outcome = Outcome()
    known, faults = recomputed_cells(steps)
    outcome.breaks += faults
    try:
        reported = read_results(outcome)
        compare_rows(reported, known, outcome)
        for (cell, place), (_, row) in reported.items():
            if place.metric in LEFT_OUT:
                known[cell, place] = {"unit": row["unit"], "value": float(row["value"])}
        # In the order of the table, in which a later probe's mean takes the place of an earlier one's.
        ordered = {at: known[at] for at in reported if at in known}
        compare_metrics(ordered, outcome)
        compare_landmarks(ordered, params.every_pruner, outcome)
    except (PrunemarkError, csv.Error, KeyError, ValueError, TypeError, OSError) as error:
        outcome.breaks.append(Break(REPORT.as_posix(), f"cannot be compared: {type(error).__name__}: {error}"))
    return outcome


def read_results(outcome: Outcome) -> Reported:
    """The rows of results.csv by place, each with its line."""
    found: Reported = {}
    with RESULTS.open(newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            cell = Cell(*(row[name] for name in COLUMNS))
            at = (cell, Place(row["metric"], row["head"], row["check"]))
            if at in found:
                outcome.breaks.append(at_row(line, at, f"says again what line {found[at][0]} says"))
            found[at] = (line, row)
    return found


def compare_rows(reported: Reported, known: Known, outcome: Outcome) -> None:
    skipped: Counter[str] = Counter()
    for at, (line, row) in reported.items():
        if at in known:
            differing = list(differences(row, known[at]))
            outcome.equal += not differing
            outcome.breaks += [at_row(line, at, text) for text in differing]
        elif at[1].metric in LEFT_OUT:
            skipped[at[1].metric] += 1
        else:
            outcome.breaks.append(at_row(line, at, "a figure that cannot be recomputed: nothing kept gives it"))
    for at in known:
        if at not in reported:
            outcome.breaks.append(Break(RESULTS.as_posix(), f"does not report {name(at)}, which the samples give"))
    for metric, rows in skipped.items():
        outcome.left_out[metric] = {"rows": rows, "reason": LEFT_OUT[metric]}
        outcome.notes.append(f"not recomputed: {metric} ({rows} figures): {LEFT_OUT[metric]}")


def differences(row: dict[str, str], found: Figure) -> Iterable[str]:
    """The columns of a row in which it is not what was recomputed."""
    if row["schema"] != "1" or row["unit"] != found["unit"]:
        yield f"schema {row['schema']}, unit {row['unit']!r} reported, 1 and {found['unit']!r} found"
    for column in [name for name in {**row, **found} if name not in NAMED]:
        said, value = row.get(column, ""), found.get(column)
        if (said == "") != (value is None) or (value is not None and not same(float(said), float(value))):
            yield f"{column} {said or 'nothing'} reported, {'nothing' if value is None else f'{value:.10g}'} found"


def same(reported: float, found: float, digits: float = DIGITS) -> bool:
    return math.isclose(reported, found, rel_tol=digits, abs_tol=NOTHING)


def at_row(line: int, at: tuple[Cell, Place], text: str) -> Break:
    return Break(f"{RESULTS}:{line}", f"{name(at)}: {text}")


def name(at: tuple[Cell, Place]) -> str:
    cell, place = at
    return f"{'/'.join(cell)} {' '.join(filter(None, place))}"


def compare_metrics(known: Known, outcome: Outcome) -> None:
    path, found = REPORT / "metrics.json", flat(summaries.metrics(known))
    said = flat(read_json(path))
    for key in sorted({*said, *found}):
        pair = said.get(key), found.get(key)
        if pair[0] is None or pair[1] is None or not same(pair[0], pair[1]):
            outcome.breaks.append(Break(path.as_posix(), f"{'/'.join(key)}: {pair[0]} reported, {pair[1]} found"))
    outcome.notes.append(f"metrics.json: {len(said)} means compared")


def flat(tree: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], float]:
    if not isinstance(tree, dict):
        return {at: float(tree)}
    return {key: value for name, part in tree.items() for key, value in flat(part, (*at, name)).items()}


def compare_landmarks(known: Known, pruners: Iterable[str], outcome: Outcome) -> None:
    """Rates are printed to 6 digits; the words beside them are not compared."""
    path, found = REPORT / "landmarks.csv", summaries.landmarks(known, pruners)
    names = ("dataset", "encoder", "watermark", "pruner", "probe_dataset", "what", "head", "check")
    said = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            said[tuple(row[n] for n in names)] = tuple(row[end] for end in ("value", "low", "high"))
    for key in sorted({*said, *found}):
        again = tuple("" if end is None else f"{end:.6g}" for end in found.get(key, ()))
        if said.get(key) != again:
            reported = ", ".join(end or "none" for end in said.get(key, ("no row",)))
            text = (
                f"{'/'.join(key)}: {reported} reported, {', '.join(end or 'none' for end in again) or 'no row'} found"
            )
            outcome.breaks.append(Break(path.as_posix(), text))
    outcome.notes.append(f"landmarks.csv: {len(said)} rates with their ends compared; its notes are words")
