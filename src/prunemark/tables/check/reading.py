"""Tables of Markdown, CSV and LaTeX files, as rows of plain text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prunemark.errors import PrunemarkError

FORMATS = {".md": "markdown", ".markdown": "markdown", ".tex": "latex", ".csv": "csv", ".tsv": "csv"}
DELIMITERS = ",;\t"
TABULAR = re.compile(r"\\begin\{(tabular[xy*]?|longtable)\}(.*?)\\end\{\1\}", re.DOTALL)
COMMENT = re.compile(r"(?<!\\)%.*")
RULE = re.compile(r"\\(?:hline|toprule|midrule|bottomrule|cmidrule|cline|addlinespace|specialrule)(?:\([^)]*\))?")
ARGUMENTS = re.compile(r"\s*(?:\[[^\]]*\]|\{(?:[^{}]|\{[^{}]*\})*\})")
SPAN = re.compile(
    r"\\multi(column|row)\*?\s*\{\s*(\d+)\s*\}\s*(?:\[[^\]]*\])?\s*\{[^{}]*\}\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
# Of a longtable, all from the first of these to the last is set again on every page.
REPEATED = re.compile(r"\\end(?:firsthead|head|foot|lastfoot)\b")
CAPTION = re.compile(r"\\(?:caption|label)\*?(?:\[[^\]]*\])?\s*\{(?:[^{}]|\{[^{}]*\})*\}\s*(?:\\\\)?")
WRAPPED = re.compile(r"\\[a-zA-Z]+\*?\s*\{([^{}]*)\}")
SYMBOLS = {
    r"\%": "%", r"\pm": "±", r"\Delta": "Δ", r"\times": "\u00d7", r"\downarrow": "↓", r"\uparrow": "↑", r"\&": "&",
    r"\#": "#", r"\_": "_", r"\,": " ", r"\ ": " ", r"\;": " ", "~": " ", "{,}": ",", "--": "-", "$": "",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A row of cells, and its line in the file."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """``line``: where it begins in the file. Every row has as many cells as there are headers."""

    line: int
    headers: list[str]
    rows: list[Line]


def read_tables(path: Path) -> list[Table]:
    """Every table of a file; by its suffix, else by what it holds.

    Raises:
        PrunemarkError: there is no such file, or it is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise PrunemarkError(f"{path}: cannot be read ({reason})") from None
    found = {"markdown": markdown, "latex": latex, "csv": comma}[FORMATS.get(path.suffix.lower()) or guess(text)](text)
    return [table for table in found if table.rows]


def guess(text: str) -> str:
    if TABULAR.search(text):
        return "latex"
    return "markdown" if re.search(r"^\s*\|?\s*:?-{3,}:?\s*\|", text, re.MULTILINE) else "csv"


def markdown(text: str) -> Iterator[Table]:
    from markdown_it import MarkdownIt

    table: list[Line] = []
    start = 0
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            table, start = [], (token.map or [0])[0] + 1
        elif token.type == "tr_open":
            table.append(Line((token.map or [start])[0] + 1, []))
        elif token.type == "inline" and table and token.level >= 4:
            words = (child.content if child.content else " " for child in token.children or [])
            table[-1].cells.append("".join(words).strip())
        elif token.type == "table_close":
            yield made(start, table[:1], table[1:])
            table = []


def comma(text: str) -> Iterator[Table]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(DELIMITERS, key=first.count))
    lines = [Line(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    if lines and len(lines[0].cells) > 1:
        yield made(lines[0].number, lines[:1], lines[1:])


def latex(text: str) -> Iterator[Table]:
    """Tabulars. What stands above the first rule that follows a row is its header, of one or more lines."""
    text = COMMENT.sub("", text)
    for found in TABULAR.finditer(text):
        at = found.start(2)
        body = once(found[2])
        while arguments := ARGUMENTS.match(body):
            body, at = body[arguments.end() :], at + arguments.end()
        heads: list[Line] = []
        rows: list[Line] = []
        for part in re.split(r"(\\\\\*?(?:\[[^\]]*\])?)", body):
            ruled = RULE.search(part) is not None
            content = re.sub(RULE.pattern + r"(?:\s*\{[^{}]*\})?", "", part)
            if ruled and rows and not heads:
                heads, rows = rows, []
            if content.strip() and not part.startswith("\\\\"):
                line = text.count("\n", 0, at + len(part) - len(part.lstrip())) + 1
                rows.append(Line(line, [plain(cell) for cell in spanned(content)]))
            at += len(part)
        heads, rows = (heads, rows) if heads and rows else (rows[:1] or heads, rows[1:])
        yield made(text.count("\n", 0, found.start()) + 1, heads, rows)


def once(body: str) -> str:
    """A tabular without captions and what is set again on every page, its lines where they were."""
    body = CAPTION.sub(lambda found: blank(found[0]), body)
    ends = [found.span() for found in REPEATED.finditer(body)]
    start, stop = (ends[0][0], ends[-1][1]) if ends else (0, 0)
    return body[:start] + blank(body[start:stop]) + body[stop:]


def blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def spanned(row: str) -> Iterator[str]:
    """The cells of a LaTeX row; one that spans columns stands in each of them."""
    for cell in re.split(r"(?<!\\)&", row):
        found = SPAN.search(cell)
        times = int(found[2]) if found and found[1] == "column" else 1
        yield from [SPAN.sub(lambda match: match[3], cell)] * times


def plain(cell: str) -> str:
    r"""LaTeX as text: ``\textbf{85.3}\,\%`` is ``85.3 %``."""
    for symbol, text in SYMBOLS.items():
        cell = cell.replace(symbol, text)
    while WRAPPED.search(cell):
        cell = WRAPPED.sub(lambda match: match[1], cell)
    return " ".join(re.sub(r"\\[a-zA-Z]+|[{}]", " ", cell).split())


def made(line: int, heads: list[Line], rows: list[Line]) -> Table:
    """A table whose header may have several lines, and whose rows are filled up or cut to its width."""
    width = max((len(head.cells) for head in heads), default=0)
    columns = [[head.cells[i] for head in heads if i < len(head.cells)] for i in range(width)]
    headers = [" ".join(dict.fromkeys(text for text in column if text)) for column in columns]
    filled = [Line(row.number, (row.cells + [""] * width)[:width]) for row in rows]
    return Table(line, headers, filled)
