"""The figures of a panel: curves against the rate, facet by facet, and size against accuracy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from markupsafe import Markup

from prunemark.page import plots
from prunemark.page.numbers import Point, seeds
from prunemark.page.plots import Dot, Facet, Line
from prunemark.page.tables import HEADS, Panel
from prunemark.results import Summary

Finder = Callable[[Point], Summary | None]
# More pruners than these are lines of one facet per quantity, since a facet for each could not be read.
MOST_FACETS = 4
IN_A_ROW = 3


def figures(panel: Panel) -> list[tuple[str, Markup]]:
    """Captions and drawings of curves against the rate."""
    return by_pruner(panel) if len(panel.pruners) <= MOST_FACETS else by_quantity(panel)


def by_pruner(panel: Panel) -> list[tuple[str, Markup]]:
    """A facet per watermark and pruner: accuracy and agreement, then the success of every scheme."""
    words = seed_words(panel)
    drawn = [
        (f"Accuracy and agreement against rate, {words}. Bands: the interval of each point. Grey columns: beyond the "
         "utility gate. Dotted: chance.", shares, True),
        (f"AuthSR of fragile schemes and VerSR of robust ones against rate, {words}. Bars: the interval of each point; "
         "lines are set beside each other where they coincide; grey columns: beyond the utility gate; hollow: moot.",
         schemes, False),
    ]  # fmt: skip
    found = []
    for i, (caption, lines, bands) in enumerate(drawn):
        grid = [[facet(panel, w, p, lines(panel, w), bands) for p in panel.pruners] for w in panel.watermarks]
        if any(has_dots(one) for row in grid for one in row):
            found.append((caption, Markup(plots.curves(grid, panel.rates, f"p{panel.number}f{i}", bands))))
    return found


def by_quantity(panel: Panel) -> list[tuple[str, Markup]]:
    """A figure per watermark with a facet per quantity and a line per pruner."""
    found = []
    for i, watermark in enumerate(panel.watermarks):
        quantities = shares(panel, watermark) | schemes(panel, watermark)
        facets = [quantity_facet(panel, watermark, name, find) for name, find in quantities.items()]
        facets = [one for one in facets if has_dots(one)]
        if facets:
            grid = [facets[start : start + IN_A_ROW] for start in range(0, len(facets), IN_A_ROW)]
            caption = (
                f"Watermark {watermark}: every quantity against rate, {seed_words(panel)}; a line per pruner. "
                "Intervals are in the table. Hollow: beyond the utility gate, where verdicts are moot. Dotted: chance."
            )
            found.append((caption, Markup(plots.curves(grid, panel.rates, f"p{panel.number}f{i}", None))))
    return found


def size_figures(panel: Panel) -> list[tuple[str, Markup]]:
    """Size against accuracy, a facet per watermark."""
    facets = [size_facet(panel, watermark) for watermark in panel.watermarks]
    drawable = [one for one in facets if any(len(line.dots) > 1 for line in one.lines)]
    if not drawable:
        return []
    caption = f"Size against accuracy (refitted head), {seed_words(panel)}; a line per pruner. Each point is a rate, "
    return [
        (
            caption + "written at the first pruner\u2019s points.",
            Markup(plots.sizes(drawable, f"p{panel.number}f-size")),
        )
    ]


def seed_words(panel: Panel) -> str:
    """The seeds behind the accuracy of the original, which those of every other point are too."""
    found = (panel.book.get(panel.origin(name), "accuracy", "refit") for name in panel.watermarks)
    summary = next((summary for summary in found if summary), None)
    return seeds(summary) if summary else "no seed"


def has_dots(facet: Facet) -> bool:
    return any(line.dots for line in facet.lines)


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
        drawn.append(Line(name, dots))
    beyond = [panel.rates.index(point[4]) for point in points if panel.book.beyond(point)]
    level = 100 / panel.book.classes[panel.probe] if chance else None
    return Facet(f"watermark {watermark}, pruned by {pruner}", drawn, beyond, level)


def quantity_facet(panel: Panel, watermark: str, name: str, find: Finder) -> Facet:
    """One quantity of one watermark under every pruner; the original is the first point of every line."""
    lines = []
    for pruner in panel.pruners:
        points = [p for p in panel.points if p[2] == watermark and p[3] in ("original", pruner)]
        found = [(point, summary) for point in points if (summary := find(point))]
        dots = [dot(panel, panel.rates.index(point[4]), point, summary) for point, summary in found]
        gated = [replace(one, hollow=panel.book.beyond(point)) for one, (point, _) in zip(dots, found, strict=True)]
        lines.append(Line(pruner, gated))
    level = 100 / panel.book.classes[panel.probe] if name.startswith("accuracy") else None
    return Facet(name, lines, level=level)


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
        lines.append(Line(pruner, dots))
    return Facet(f"watermark {watermark}", lines, position=dense)


def dot(panel: Panel, x: float, point: Point, summary: Summary) -> Dot:
    low, high = (None if end is None else 100 * end for end in (summary.low, summary.high))
    return Dot(x, 100 * summary.value, low, high, panel.book.moot(point, summary), point[4])
