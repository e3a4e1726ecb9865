"""The report page: one self-contained HTML file, a pure and deterministic function of the results and the params.

Here its parts are put together: `tables`, `comparison`, `milestones`, `numbers` and `words` beside it prepare tables,
numbers and words, `figures` lines, `packed`, `shelf`, `chains` and `cells` turn all of it into data, which the scripts
beside them show; ``render.html.j2`` lays out.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prunemark import registry
from prunemark.formats.conditions import Conditions
from prunemark.formats.scores import Scores
from prunemark.page import library, words
from prunemark.page.cell_details import LARGEST_MATRIX, packed_cells
from prunemark.page.chains import packed_chains
from prunemark.page.claims import claim_cards
from prunemark.page.comparison import comparison
from prunemark.page.figures import figures, size_figures
from prunemark.page.milestones import landmark_table
from prunemark.page.numbers import Book
from prunemark.page.packed import packed_rows, packed_summaries
from prunemark.page.shelf import Shelf
from prunemark.page.speed import sizes, speeds
from prunemark.page.supplement import Evidence
from prunemark.page.tables import HEADS, Panel, keyed, panel_of
from prunemark.point import Point
from prunemark.results.formulas import FORMULAS
from prunemark.results.landmarks import COLUMNS, Entry, to_csv
from prunemark.results.scores import Row
from prunemark.results.table import SLACK, Summary, pruners

TEMPLATE = "render.html.j2"
FOLDER = registry.PACKAGE / "page"
SCRIPTS = (
    "elements.js", "numbers.js", "rows.js", "chain.js", "tables.js", "card.js", "charts.js", "figures.js", "cells.js",
    "explore.js", "start.js",
)  # fmt: skip


def render(
    rows: list[Row],
    summaries: list[Summary],
    landmarks: list[Entry],
    contents: dict[Point, Scores],
    asked: dict[str, Any],
    conditions: Conditions,
    judged: dict[str, Any],
    evidence: Evidence | None = None,
) -> str:
    """The page, from the long table, its summary and landmarks, the content of every cell's scores.json, the content of
    params.yaml, the conditions that `prunemark.stages.report.conditions` found, the content of claims.json, and what
    stands behind the scores.
    """
    classes = {point.probe: content.classes for point, content in contents.items()}
    book = Book(rows, summaries, classes, asked["utility_drop"])
    places = dict.fromkeys(panel_of(summary.measure.point) for summary in summaries)
    panels = [Panel(book, place, asked, conditions, number) for number, place in enumerate(places)]
    shelf = Shelf(book)
    parts = [panel_parts(panel, landmarks, shelf) for panel in panels]
    whole = {
        "rows": packed_rows(rows),
        "summaries": packed_summaries(rows, summaries),
        "chains": packed_chains(evidence or Evidence()),
        "cells": packed_cells(contents, evidence or Evidence()),
        "landmarks": {"columns": COLUMNS, "lines": list(csv.reader(to_csv(landmarks).splitlines()[1:]))},
        "formulas": formulas(summaries),
        "order": order(asked),
        "gate": {"drop": asked["utility_drop"], "slack": SLACK},
    }
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"grid": shelf.place, "figure": shelf.draw, "link": shelf.link, "inlined": inlined}
    environment.filters["compact"] = compact
    return environment.get_template(TEMPLATE).render(
        cells=len(contents),
        panels=parts,
        gate=f"{100 * asked['utility_drop']:g}",
        asked=words.asked_rows(asked),
        scopes=words.scope_words(asked),
        caveats=caveats(panels, rows, asked, classes),
        methods=list(words.method_entries(asked)),
        conditions=words.condition_rows(conditions),
        matrices=any(content.agreement_matrix is not None for content in contents.values()),
        claims=claim_cards(judged),
        largest_matrix=LARGEST_MATRIX,
        library=Markup(library.script()),
        scripts=SCRIPTS,
        data=lambda: whole | {"shelf": shelf.content()},
    )


def panel_parts(panel: Panel, landmarks: list[Entry], shelf: Shelf) -> dict[str, Any]:
    """Everything that the template lays out of a panel."""
    return {
        "panel": panel,
        "figures": figures(panel, shelf),
        "sizes": sizes(panel),
        "size_figures": size_figures(panel, shelf),
        "speeds": speeds(panel),
        "comparisons": [(HEADS[head], comparison(panel, head)) for head in ("frozen", "refit")],
        "landmarks": landmark_table(panel, landmarks),
    }


def caveats(panels: list[Panel], rows: list[Row], asked: dict[str, Any], classes: dict[str, int]) -> list[str]:
    """What the counts of this report can carry, in words; each thing said once."""
    images = {(row["probe_dataset"], row["n"]) for row in rows if row["metric"] == "accuracy"}
    said = [words.images_caveat(dataset, classes[dataset], n) for dataset, n in sorted(images)]
    said.append(words.seeds_caveat(len(asked["seeds"])))
    for panel in panels:
        for scheme, summary in panel.trials:
            title = panel.scheme_title(scheme)
            said.append(words.trials_caveat(title, summary.n or 0, summary.seeds, keyed(asked, scheme)))
    said.append(words.nulls_caveat(len(asked["null_seeds"])))
    return list(dict.fromkeys(said))


def formulas(summaries: list[Summary]) -> dict[str, dict[str, str]]:
    """What every metric of the table is, in words and as a formula."""
    metrics = dict.fromkeys(summary.place["metric"] for summary in summaries)
    return {metric: asdict(FORMULAS[metric]) for metric in metrics if metric in FORMULAS}


def order(asked: dict[str, Any]) -> dict[str, list[str]]:
    """The names of params.yaml in its order, which is that of every choice on the page."""
    ways = [*pruners(asked), *asked["alterations"]]
    return {
        "watermarks": list(asked["watermarks"]),
        "checks": list(asked["checks"]),
        "ways": ways,
        "heads": list(HEADS),
    }


def inlined(name: str) -> Markup:
    """A script or style of this folder as it is."""
    return Markup((FOLDER / name).read_text())


def compact(value: Any) -> Markup:
    """JSON without spaces for a script element: nothing in it can end the element or begin another."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
