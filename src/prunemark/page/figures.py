"""The figures of a panel as data: which summaries each line goes through. ``page/charts.js`` draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from prunemark.page.numbers import seeds
from prunemark.page.shelf import Shelf
from prunemark.page.tables import HEADS, Panel
from prunemark.point import Point
from prunemark.results.table import Summary

Finder = Callable[[Point], Summary | None]


@dataclass(frozen=True)
class Figure:
    """A caption and, for the script, ``content``: charts with a title and, per line, points."""

    caption: str
    content: dict[str, Any]


def figures(panel: Panel, shelf: Shelf) -> list[Figure]:
    """Of every watermark all quantities against the rate, a chart each, a line per pruner."""
    found = []
    for watermark in panel.watermarks:
        charts = [chart(panel, shelf, watermark, name, find) for name, find in quantities(panel, watermark).items()]
        charts = [one for one in charts if one["lines"]]
        if charts:
            caption = (
                f"Watermark {watermark}: every quantity against the pruning rate, {seed_words(panel)}; a line per "
                "pruner, rates equally spaced and not to scale. Bars: the interval of each point. Hollow: beyond the "
                "utility gate, where verdicts are moot. Dotted: chance."
            )
            found.append(Figure(caption, {"kind": "rates", "rates": panel.rates, "charts": charts}))
    return found


def size_figures(panel: Panel, shelf: Shelf) -> list[Figure]:
    """Size against accuracy, a chart per watermark."""
    charts = [size_chart(panel, shelf, watermark) for watermark in panel.watermarks]
    charts = [one for one in charts if any(len(points) > 1 for _, points in one["lines"])]
    if not charts:
        return []
    caption = (
        f"Size against accuracy (refitted head), {seed_words(panel)}; a line per pruner, a point per rate. Dotted: the "
        "dense file."
    )
    return [Figure(caption, {"kind": "sizes", "rates": panel.rates, "charts": charts})]


def quantities(panel: Panel, watermark: str) -> dict[str, Finder]:
    book, own = panel.book, [watermark] if watermark in panel.marks else []
    found: dict[str, Finder] = {
        f"accuracy, {n}": partial(book.get, metric="accuracy", head=h) for h, n in HEADS.items()
    }
    found["agreement with the original"] = partial(book.get, metric="agreement", head="frozen")
    return found | {panel.scheme_title(name): partial(book.success, check=name) for name in (*own, *panel.checks)}


def lines_of(panel: Panel, watermark: str) -> dict[str, list[Point]]:
    """Per pruner the points of its line; the original is the first of each."""
    points = [point for point in panel.points if point.watermark == watermark]
    return {name: [p for p in points if p.is_original or p.pruner == name] for name in panel.pruners}


def chart(panel: Panel, shelf: Shelf, watermark: str, name: str, find: Finder) -> dict[str, Any]:
    """A point: the number of its rate, that of its summary, and whether it is beyond the gate."""
    lines = []
    for pruner, points in lines_of(panel, watermark).items():
        found = [(point, summary) for point in points if (summary := find(point))]
        drawn = [
            [panel.rates.index(point.rate), shelf.position(summary), int(panel.book.beyond(point))]
            for point, summary in found
        ]
        lines += [[pruner, drawn]] if drawn else []
    level = 100 / panel.book.classes[panel.probe] if name.startswith("accuracy") else None
    return {"title": name, "lines": lines, "level": level}


def size_chart(panel: Panel, shelf: Shelf, watermark: str) -> dict[str, Any]:
    """A point: the number of its rate, those of accuracy and of size, and whether it is beyond the gate."""
    book, lines, dense = panel.book, [], None
    for pruner, points in lines_of(panel, watermark).items():
        drawn = []
        for point in points:
            size, accuracy = book.get(point, "sparse_bytes"), book.get(point, "accuracy", "refit")
            if size and accuracy:
                numbers = (shelf.position(accuracy), int(book.beyond(point)), shelf.position(size))
                drawn.append([panel.rates.index(point.rate), *numbers])
                stored = book.get(point, "dense_bytes")
                dense = stored.value / 1e6 if stored else dense
        lines.append([pruner, drawn])
    return {"title": f"watermark {watermark}", "lines": lines, "dense": dense}


def seed_words(panel: Panel) -> str:
    """The seeds behind the accuracy of the original, which those of every other point are too."""
    found = (panel.book.get(panel.origin(name), "accuracy", "refit") for name in panel.watermarks)
    summary = next((summary for summary in found if summary), None)
    return seeds(summary) if summary else "no seed"
