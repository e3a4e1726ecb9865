"""The template of DVC's curves, drawn by the library itself from the rows of a kept run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import vl_convert

ROOT = Path(__file__).parents[2]


def test_every_row_of_the_curves_has_every_panel() -> None:
    """Vega fills a grid from the left: without a panel, the next one's curves would stand under its heading."""
    with (ROOT / "examples/default/results.csv").open() as file:
        rows = [{**row, "rev": "workspace"} for row in csv.DictReader(file)]
    spec = json.loads((ROOT / ".dvc/plots/curves.json").read_text())
    spec |= {"data": {"values": rows}, "title": "curves"}
    drawn = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))
    across, down, cells = (parts(drawn, name) for name in ("column_header", "row_header", "cell"))
    assert across > 5
    assert down == 3
    assert cells == across * down


def parts(drawn: ElementTree.Element, name: str) -> int:
    """How many groups of a name there are."""
    return sum(len(group) for group in drawn.iter() if (group.get("class") or "").split()[-1:] == [name])
