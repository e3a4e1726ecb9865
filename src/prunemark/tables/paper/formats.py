"""A paper's tables as LaTeX (booktabs), Markdown or CSV, written by pandas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from prunemark.errors import PrunemarkError
from prunemark.point import Point
from prunemark.questions.sources import Run, open_run
from prunemark.tables.paper import landmark_tables, table_text
from prunemark.tables.paper.plain_numbers import named_columns, numbers
from prunemark.tables.paper.points import Marked, marked_encoders

# What fits on a page; a longer table breaks over pages.
LONGEST = 40
PACKAGES = "% \\usepackage{booktabs,longtable}"
ESCAPES = {ord(symbol): f"\\{symbol}" for symbol in "%&#_${}"}
Table = tuple[str, str, pd.DataFrame]


def paper(place: Path, wanted: str) -> str:
    """The tables of the run at a path (see `open_run`) in a format.

    Raises:
        PrunemarkError: the format is none of `FORMATS`, or there is no run.
    """
    if wanted not in FORMATS:
        raise PrunemarkError(f"--format: {wanted!r} is not allowed: {', '.join(FORMATS)}")
    run = open_run(place)
    return FORMATS[wanted](run, marked_encoders(run))


def tables(run: Run, encoders: list[Marked]) -> Iterator[Table]:
    """Label, caption and cells of every table: the points of each marked encoder, then its landmarks."""
    for marked in encoders:
        name = "-".join(dict.fromkeys(name for name in marked.point if name))
        points = pd.DataFrame(table_text.rows(marked), columns=table_text.headings(marked))
        yield f"tab:{name}", table_text.caption(marked), points
        headings, rows = landmark_tables.table(run, marked)
        if rows:
            yield f"tab:landmarks-{name}", landmark_tables.caption(marked), pd.DataFrame(rows, columns=headings)


def latex(run: Run, encoders: list[Marked]) -> str:
    written = [
        frame.to_latex(
            index=False,
            escape=True,
            longtable=len(frame) > LONGEST,
            caption=caption.translate(ESCAPES),
            label=label,
            column_format="l" + "r" * (frame.shape[1] - 1),
        )
        for label, caption, frame in tables(run, encoders)
    ]
    return "\n".join([PACKAGES, *written])


def markdown(run: Run, encoders: list[Marked]) -> str:
    written = []
    for _, caption, frame in tables(run, encoders):
        sides = ["left", *["right"] * (frame.shape[1] - 1)]
        written.append(f"{caption}\n\n{frame.to_markdown(index=False, disable_numparse=True, colalign=sides)}\n")
    return "\n".join(written)


def comma(run: Run, encoders: list[Marked]) -> str:
    """One table, since a CSV file is one; the landmarks have landmarks.csv."""
    frame = pd.DataFrame([row for marked in encoders for row in numbers(marked)])
    frame = frame.drop_duplicates([*named_columns(Point())])  # controls stand beside every marked encoder
    written: str = frame.to_csv(index=False, lineterminator="\n")
    return written


FORMATS: dict[str, Callable[[Run, list[Marked]], str]] = {"latex": latex, "markdown": markdown, "csv": comma}
