"""Figures of the report as inline SVG: the same input gives the same bytes, and colours follow the page's theme.

Everything is drawn in placeholder colours that are replaced by CSS variables, so that one drawing serves light and
dark. Text stays text, in the fonts of the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import matplotlib
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

INK, MUTED, PAPER, FAINT = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0500{i:02x}" for i in range(8))
THEME = {INK: "--ink", MUTED: "--muted", PAPER: "--paper", FAINT: "--rule"} | {
    colour: f"--s{i}" for i, colour in enumerate(SERIES)
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
LINES = ("-", "--", "-.", ":")
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "prunemark",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
WIDEST, COLUMN, NARROWEST, ROW, LEGEND = 12.6, 4.6, 3.0, 2.35, 0.45
LEGEND_ROW = 0.18
PIXELS = 72
CROWDED = 8


@dataclass(frozen=True)
class Dot:
    """One measured point in percent, with its interval where it has one; ``hollow``: moot, or beyond the gate."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    hollow: bool = False
    label: str = ""


@dataclass(frozen=True)
class Line:
    name: str
    dots: list[Dot]


@dataclass(frozen=True)
class Facet:
    """One panel: its lines, the positions beyond the utility gate, and a level or position to mark."""

    title: str
    lines: list[Line]
    beyond: list[int] = field(default_factory=list)
    level: float | None = None
    position: float | None = None


def curves(grid: list[list[Facet]], rates: list[str], name: str, bands: bool | None) -> str:
    """Small multiples against the rate, row by row.

    Rates are equally spaced, since grids are dense at both ends; intervals are bands or, where lines lie on each
    other, error bars beside each other; ``None``: too many lines for either.
    """
    with style.context(["default", SETTINGS]):
        names = line_names(facet for row in grid for facet in row)
        figure, axes = canvas(len(grid), max(map(len, grid)), len(names))
        for i, (row, facets) in enumerate(zip(axes, grid, strict=True)):
            for j, (axis, facet) in enumerate(zip(row, facets, strict=False)):
                curve(axis, facet, rates, names, bands)
                if i + 1 == len(grid) or j >= len(grid[i + 1]):
                    axis.set_xlabel("pruning rate (equally spaced, not to scale)")
        return finished(figure, axes, names, name)


def sizes(facets: list[Facet], name: str) -> str:
    """Accuracy against bytes in sparse rows: one panel per watermark, one line per pruner."""
    with style.context(["default", SETTINGS]):
        names = line_names(facets)
        figure, axes = canvas(1, len(facets), len(names))
        for axis, facet in zip(axes[0], facets, strict=True):
            axis.set_title(facet.title, loc="left", color=INK)
            axis.set_xscale("log")
            for line in facet.lines:
                draw(axis, line, names.index(line.name), 0, bands=False)
            for dot in facet.lines[0].dots:
                axis.annotate(dot.label, (dot.x, dot.y), (0, 7), textcoords="offset points", ha="center", fontsize=7.5)
            if facet.position is not None:
                axis.axvline(facet.position, color=MUTED, linewidth=0.9, linestyle=":")
            axis.set_xlabel("MB in sparse rows (log); dotted: the dense file")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axis.xaxis.set_minor_locator(NullLocator())
        return finished(figure, axes, names, name)


def canvas(rows: int, columns: int, names: int) -> tuple[Figure, Any]:
    """Room for facets and, above them, for the legend."""
    column = max(NARROWEST, min(COLUMN, WIDEST / columns))
    legend = LEGEND + LEGEND_ROW * max(0, -(-names // legend_columns(names)) - 2)
    figure = Figure(figsize=(column * max(columns, 2), ROW * rows + legend))
    return figure, figure.subplots(rows, columns, sharex=rows == 1, sharey=True, squeeze=False)


def legend_columns(names: int) -> int:
    return 4 if names <= CROWDED else 5


def line_names(facets: Iterable[Facet]) -> list[str]:
    return list(dict.fromkeys(line.name for facet in facets for line in facet.lines))


def curve(axis: Axes, facet: Facet, rates: list[str], names: list[str], bands: bool | None) -> None:
    axis.set_title(facet.title, loc="left", color=INK)
    for place in facet.beyond:
        axis.axvspan(place - 0.5, place + 0.5, color=FAINT, alpha=0.55, linewidth=0)
    if facet.level is not None:
        axis.axhline(facet.level, color=MUTED, linewidth=0.9, linestyle=":")
    count = len(facet.lines)
    for i, line in enumerate(facet.lines):
        aside = 0.16 * (i - (count - 1) / 2) if bands is False else 0
        draw(axis, line, names.index(line.name), aside, bands)
    axis.set_xticks(range(len(rates)), rates, fontsize=9 if len(rates) <= CROWDED else 7.5)
    axis.set_xlim(-0.5, len(rates) - 0.5)


def line_style(slot: int) -> str:
    """Another one each time the colours begin anew."""
    return LINES[(slot + slot // len(SERIES)) % len(LINES)]


def draw(axis: Axes, line: Line, slot: int, aside: float, bands: bool | None) -> None:
    """Styles repeat at different lengths, so that no two of many lines look alike."""
    colour, marker = SERIES[slot % len(SERIES)], MARKERS[slot % len(MARKERS)]
    x, y = [dot.x + aside for dot in line.dots], [dot.y for dot in line.dots]
    axis.plot(x, y, line_style(slot), color=colour, zorder=3)
    for hollow in (False, True):
        chosen = [i for i, dot in enumerate(line.dots) if dot.hollow == hollow]
        axis.plot([x[i] for i in chosen], [y[i] for i in chosen], linestyle="", marker=marker, color=colour,
                  markerfacecolor=PAPER if hollow else colour, zorder=4)  # fmt: skip
    known = [(i, d.low, d.high) for i, d in enumerate(line.dots) if d.low is not None and d.high is not None]
    if not known or bands is None:
        return
    at, low, high = [x[i] for i, _, _ in known], [low for _, low, _ in known], [high for _, _, high in known]
    if bands:
        axis.fill_between(at, low, high, color=colour, alpha=0.16, linewidth=0, zorder=2)
    else:
        axis.vlines(at, low, high, color=colour, linewidth=1.1, alpha=0.75, zorder=2)


def finished(figure: Figure, axes: Any, names: list[str], name: str) -> str:
    for axis in axes.flat:
        axis.set_ylim(-4, 104)
        axis.set_yticks(range(0, 101, 25))
        axis.grid(axis="y")
        axis.set_axisbelow(True)
        axis.set_visible(bool(axis.has_data()))
    for row in axes:
        row[0].set_ylabel("%")
    proxies = [
        matplotlib.lines.Line2D([], [], color=SERIES[i % len(SERIES)], marker=MARKERS[i % len(MARKERS)],
                                linestyle=line_style(i))  # type: ignore[arg-type]
        for i in range(len(names))
    ]  # fmt: skip
    figure.legend(
        proxies, names, loc="outside upper left", ncols=legend_columns(len(names)), fontsize=9, handlelength=2.6
    )
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return themed(out.getvalue(), name, PIXELS * figure.get_figwidth())


def themed(svg: str, name: str, width: float) -> str:
    """The drawing alone, in CSS colours, with ids that no other figure on the page has; at least ``width`` pixels wide,
    below which its text could not be read.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = svg.replace(" font-family: 'DejaVu Sans';", "")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", svg)
    for attribute in ("width", "height"):
        svg = re.sub(rf'(<svg[^>]*?) {attribute}="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg style="min-width: {width:.0f}px; max-width: {1.5 * width:.0f}px"', 1)
    for placeholder, variable in THEME.items():
        svg = svg.replace(placeholder, f"var({variable})")
    return svg
