"""The report page: one self-contained HTML file, a pure and deterministic function of the results and the params.

Here its parts are put together: `tables`, `comparison`, `milestones`, `numbers` and `words` beside it prepare tables,
numbers and words, `figures` and `plots` draw, and ``render.html.j2`` lays out.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prunemark import methods
from prunemark.landmarks import Entry
from prunemark.page import words
from prunemark.page.claims import claim_cards
from prunemark.page.comparison import comparison
from prunemark.page.figures import figures, size_figures
from prunemark.page.milestones import landmark_table
from prunemark.page.numbers import Book, Point
from prunemark.page.speed import sizes, speeds
from prunemark.page.tables import HEADS, Panel, keyed
from prunemark.results import Summary, pruners
from prunemark.scores import Row

TEMPLATE = "render.html.j2"
LARGEST_MATRIX = 40


def render(
    rows: list[Row],
    summaries: list[Summary],
    landmarks: list[Entry],
    contents: dict[tuple[str, ...], dict[str, Any]],
    asked: dict[str, Any],
    conditions: dict[str, Any],
    judged: dict[str, Any],
) -> str:
    """The page, from the long table, its summary and landmarks, the content of every cell's scores.json, the content of
    params.yaml, the conditions that `prunemark.stages.report.conditions` found, and the content of claims.json.
    """
    classes = {cell[-1]: content["classes"] for cell, content in contents.items()}
    book = Book(rows, summaries, classes, asked["utility_drop"])
    places = list(dict.fromkeys((s.place["dataset"], s.place["encoder"], s.place["probe_dataset"]) for s in summaries))
    panels = [Panel(book, place, asked, conditions, number) for number, place in enumerate(places)]
    environment = Environment(
        loader=FileSystemLoader(methods.PACKAGE / "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template(TEMPLATE).render(
        cells=len(contents),
        panels=[parts(panel, landmarks) for panel in panels],
        gate=f"{100 * asked['utility_drop']:g}",
        asked=words.asked_rows(asked),
        scopes=words.scope_words(asked),
        caveats=caveats(panels, rows, asked, classes),
        methods=list(words.method_entries(asked)),
        conditions=words.condition_rows(conditions),
        matrices=matrices(contents, asked),
        claims=claim_cards(judged),
        largest_matrix=LARGEST_MATRIX,
    )


def parts(panel: Panel, landmarks: list[Entry]) -> dict[str, Any]:
    """Everything that the template lays out of a panel."""
    return {
        "panel": panel,
        "figures": figures(panel),
        "sizes": sizes(panel),
        "size_figures": size_figures(panel),
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


def matrices(contents: dict[tuple[str, ...], dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    """The agreement matrices and the images predicted right by class, of the first seed and key of each combination,
    and which of them to show first."""
    found: dict[Point, dict[str, Any]] = {}
    for cell, content in contents.items():
        dataset, encoder, seed, watermark, key, pruner, rate, probe = cell
        if "agreement_matrix" in content and content["classes"] <= LARGEST_MATRIX:
            title = f"{dataset} / {encoder}" + ("" if probe == dataset else f" on {probe}")
            at = (title, watermark, pruner, rate)
            layers = content.get("sizes", {}).get("layers", {})
            shown = {"counts": content["agreement_matrix"], "right": content["classes_right"], "layers": layers}
            found.setdefault(at, {"at": at, "seed": seed, "key": key, **shown})
    cells = list(found.values())
    pruner = next(iter(pruners(asked)))
    fitting = [i for i, cell in enumerate(cells) if cell["at"][:3] == (*cells[0]["at"][:2], pruner)]
    return {"cells": cells, "first": fitting[len(fitting) // 2] if fitting else 0}
