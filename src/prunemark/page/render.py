"""The report page: one self-contained HTML file, a pure and deterministic function of the results and the params.

Here its parts are put together: `tables`, `numbers` and `words` beside it prepare tables,
numbers and words, `plots` draws, and ``render.html.j2`` lays out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from prunemark import methods
from prunemark.page import plots, words
from prunemark.page.numbers import Book, Point
from prunemark.page.plots import Dot, Facet
from prunemark.page.tables import HEADS, Panel, keyed
from prunemark.results import Summary
from prunemark.scores import Row

TEMPLATE = "render.html.j2"
LARGEST_MATRIX = 40
Finder = Callable[[Point], Summary | None]


def render(
    rows: list[Row],
    summaries: list[Summary],
    contents: dict[tuple[str, ...], dict[str, Any]],
    asked: dict[str, Any],
    conditions: dict[str, Any],
) -> str:
    """The page, from the long table, its summary, the content of every cell's scores.json, the content of params.yaml
    and the conditions that `prunemark.stages.report.conditions` found.
    """
    classes = {cell[-1]: content["classes"] for cell, content in contents.items()}
    book = Book(rows, summaries, classes)
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
        panels=[(panel, figures(panel)) for panel in panels],
        asked=words.asked_rows(asked),
        caveats=caveats(panels, rows, asked, classes),
        methods=list(words.method_entries(asked)),
        conditions=words.condition_rows(conditions),
        matrices=matrices(contents, asked),
        largest_matrix=LARGEST_MATRIX,
    )


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
    """The agreement matrices of the first seed and key of each combination, and which of them to show first."""
    found: dict[Point, dict[str, Any]] = {}
    for cell, content in contents.items():
        dataset, encoder, seed, watermark, key, pruner, rate, probe = cell
        if "agreement_matrix" in content and content["classes"] <= LARGEST_MATRIX:
            title = f"{dataset} / {encoder}" + ("" if probe == dataset else f" on {probe}")
            at = (title, watermark, pruner, rate)
            found.setdefault(at, {"at": at, "seed": seed, "key": key, "counts": content["agreement_matrix"]})
    cells = list(found.values())
    pruner = next(iter(asked["pruners"]))
    fitting = [i for i, cell in enumerate(cells) if cell["at"][:3] == (*cells[0]["at"][:2], pruner)]
    return {"cells": cells, "first": fitting[len(fitting) // 2] if fitting else 0}


def figures(panel: Panel) -> list[tuple[str, Markup]]:
    """Captions and drawings: accuracy and agreement, watermark success, size against accuracy."""
    drawn = [
        ("Accuracy and agreement against rate. Bands: the interval of each point.", shares, True),
        ("AuthSR of fragile schemes and VerSR of robust ones against rate. Bars: the interval of each point; lines are "
         "set beside each other where they coincide; hollow: moot.", schemes, False),
    ]  # fmt: skip
    found = []
    for i, (caption, lines, bands) in enumerate(drawn):
        grid = [[facet(panel, w, p, lines(panel, w), bands) for p in panel.pruners] for w in panel.watermarks]
        if any(line.dots for row in grid for one in row for line in one.lines):
            svg = plots.curves(grid, panel.rates, f"p{panel.number}f{i}", bands)
            found.append((caption, Markup(svg)))
    facets = [size_facet(panel, watermark) for watermark in panel.watermarks]
    drawable = [one for one in facets if any(len(line.dots) > 1 for line in one.lines)]
    if drawable:
        caption = "Size against accuracy (refitted head). Each point is a rate, written at the first pruner's points."
        found.append((caption, Markup(plots.sizes(drawable, f"p{panel.number}f9"))))
    return found


def shares(panel: Panel, watermark: str) -> dict[str, Finder]:
    accuracy = {f"accuracy, {name}": partial(panel.book.get, metric="accuracy", head=h) for h, name in HEADS.items()}
    return {**accuracy, "agreement with the original": partial(panel.book.get, metric="agreement", head="frozen")}


def schemes(panel: Panel, watermark: str) -> dict[str, Finder]:
    own = [watermark] if watermark in panel.marks else []
    return {panel.scheme_title(name): partial(panel.book.success, check=name) for name in (*own, *panel.checks)}


def facet(panel: Panel, watermark: str, pruner: str, lines: dict[str, Finder], chance: bool) -> Facet:
    """One watermark under one pruner; the original is the first point of every pruner's line."""
    points = [p for p in panel.points if p[2] == watermark and p[3] in ("original", pruner)]
    drawn = []
    for name, find in lines.items():
        found = [(point, summary) for point in points if (summary := find(point))]
        dots = [dot(panel, panel.rates.index(point[4]), point, summary) for point, summary in found]
        drawn.append(plots.Line(name, dots))
    destroyed = [panel.rates.index(point[4]) for point in points if panel.book.destroyed(point)]
    level = 100 / panel.book.classes[panel.probe] if chance else None
    return Facet(f"watermark {watermark}, pruned by {pruner}", drawn, destroyed, level)


def size_facet(panel: Panel, watermark: str) -> Facet:
    book, lines, dense = panel.book, [], None
    for pruner in panel.pruners:
        dots = []
        for point in panel.points:
            size, accuracy = book.get(point, "sparse_bytes"), book.get(point, "accuracy", "refit")
            if point[2] == watermark and point[3] in ("original", pruner) and size and accuracy:
                dots.append(dot(panel, size.value / 1e6, point, accuracy))
                stored = book.get(point, "dense_bytes")
                dense = stored.value / 1e6 if stored else dense
        lines.append(plots.Line(f"pruned by {pruner}", dots))
    return Facet(f"watermark {watermark}", lines, position=dense)


def dot(panel: Panel, x: float, point: Point, summary: Summary) -> Dot:
    low, high = (None if end is None else 100 * end for end in (summary.low, summary.high))
    return Dot(x, 100 * summary.value, low, high, panel.book.moot(point, summary), point[4])
