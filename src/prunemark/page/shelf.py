"""The tables of the page as compact JSON, and an address for every number: ``page/tables.js`` lays them out.

``#s12`` is the summary of group 12, ``#n3`` another source; a number is either of the two or nothing. A number whose
text, detail and flag follow from its summary and its column is written as the number of the summary plus 1.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from prunemark.page.numbers import SUCCESS, Book, Number, Source, counts, ends, signed
from prunemark.page.tables import Column, Line
from prunemark.results.table import Summary


class Shelf:
    """Takes in what the template places, in its order."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.positions = {place: number for number, place in enumerate(book.summaries)}
        self.tables: list[dict[str, Any]] = []
        self.figures: list[dict[str, Any]] = []
        self.sources: dict[Source, int] = {}

    def place(self, table: dict[str, Any], first: str, label: str, kind: str = "watermark") -> Markup:
        """Where a script puts the table: ``first`` heads its first column, ``kind`` names its groups."""
        self.tables.append({"label": label, "first": first, "kind": kind, **self.packed(table)})
        return Markup('<div class="box" data-table="{}"></div>').format(len(self.tables) - 1)

    def draw(self, figure: Any) -> Markup:
        """Where a script draws a figure (`prunemark.page.figures.Figure`)."""
        self.figures.append(figure.content)
        return Markup('<div class="charts" data-figure="{}"></div>').format(len(self.figures) - 1)

    def link(self, number: Number) -> Markup:
        """A number in a sentence, as a link to its card."""
        return Markup('<a href="#{}">{}</a>').format(self.address(number.source), number.text)

    def address(self, source: Source) -> str:
        at = self.reference(source)
        return f"s{at - 1}" if at > 0 else f"n{-at - 1}"

    def reference(self, source: Source) -> int:
        """Above 0: a summary; below: another source."""
        if source == Source(source.groups) and len(source.groups) == 1:
            return self.positions[source.groups[0]] + 1
        return -1 - self.sources.setdefault(source, len(self.sources))

    def position(self, summary: Summary) -> int:
        return self.positions[summary.measure]

    def packed(self, table: dict[str, Any]) -> dict[str, Any]:
        columns: list[Column] = table["columns"]
        groups = []
        for part in table["groups"]:
            lines = [
                [
                    line.name,
                    line.rate,
                    int(line.beyond),
                    *map(self.number, line.numbers, columns, [line] * len(columns)),
                ]
                for line in part.lines
            ]
            notes = [[note.text, self.reference(note.source)] for note in part.notes]
            groups.append([part.name, notes, lines])
        return {"columns": [[column.title, column.unit, column.form] for column in columns], "groups": groups}

    def number(self, number: Number | None, column: Column, line: Line) -> int | list[Any]:
        if number is None:
            return 0
        at = self.reference(number.source)
        if at > 0:
            summary = self.book.summaries[number.source.groups[0]]
            moot = "moot" if line.beyond and summary.place["metric"] in SUCCESS else ""
            if (number.text, number.detail, number.flag) == (*written(summary, column.form), moot):
                return at
        return [number.text, at, number.detail, number.flag] if number.flag else [number.text, at, number.detail]

    def content(self) -> dict[str, Any]:
        """All that was placed, for the script."""
        return {"tables": self.tables, "figures": self.figures, "sources": self.packed_sources()}

    def packed_sources(self) -> list[dict[str, Any]]:
        """Of every source what it has, its groups by their numbers."""
        empty, found = asdict(Source()), []
        for source in self.sources:
            facts = {name: value for name, value in asdict(source).items() if value != empty[name]}
            if source.groups:
                facts["groups"] = [self.positions[place] for place in source.groups]
            found.append(facts)
        return found


def written(summary: Summary, form: str) -> tuple[str, str]:
    """Text and detail of a number of a column of this form."""
    if form == "%":
        return f"{100 * summary.value:.1f}", counts(summary)
    if form == "+":
        return signed(summary.value), counts(summary)
    return format(summary.value, form), ends(summary, form)
