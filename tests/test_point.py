"""A point of the grid: its folder and back, what it was made from, and that nothing else counts its names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from prunemark.errors import PrunemarkError
from prunemark.point import CELL, Point
from prunemark.registry import PACKAGE

SCORES = Point("a", "b", "0", "uchida", "1", "magnitude", "0.5", "a")
MADE_FROM = {
    "data/scores/a/b/0/uchida/1/magnitude/0.5/a": SCORES,
    "data/pruned/a/b/0/uchida/1/magnitude/0.5": Point("a", "b", "0", "uchida", "1", "magnitude", "0.5"),
    "data/marked/a/b/0/uchida/1": Point("a", "b", "0", "uchida", "1"),
    "data/encoders/a/b/0": Point("a", "b", "0"),
    "data/raw/a": Point("a"),
}
LATENCIES = Point("a", "b", pruner="magnitude")


@pytest.mark.parametrize(("folder", "point"), [*MADE_FROM.items(), ("data/scores/a/b/latency/magnitude", LATENCIES)])
def test_a_folder_and_its_point(folder: str, point: Point) -> None:
    assert point.folder == folder
    assert Point.from_path(Path(folder)) == Point.from_path(Path("/tmp/run") / folder / "receipt.json") == point


def test_every_point_was_made_from_the_one_before() -> None:
    chain = list(MADE_FROM.values())
    assert [point.parent for point in chain] == [*chain[1:], Point()]
    assert [SCORES.at(room) for room in ("scores", "pruned", "marked", "encoders", "raw")] == chain


def test_what_lies_in_the_folder_of_a_check_belongs_to_the_marked_encoder() -> None:
    assert Point.from_path(Path("data/marked/a/b/0/uchida/1/checks/sha256")) == SCORES.at("marked")


@pytest.mark.parametrize("path", ["data/report", "elsewhere/a", "data"])
def test_other_folders_belong_to_no_point(path: str) -> None:
    with pytest.raises(PrunemarkError, match=f"{path}: not under data/, in one of raw, encoders, marked"):
        Point.from_path(Path(path))


def test_the_original_is_the_same_encoder_at_rate_0() -> None:
    original = SCORES.original
    assert original.folder == "data/scores/a/b/0/uchida/1/original/0/a"
    assert original.is_original
    assert not SCORES.is_original
    assert original.under("magnitude", "0.5") == SCORES


def test_a_row_names_its_point() -> None:
    assert Point.from_row(dict(zip(CELL, SCORES, strict=True)) | {"value": 0.5}) == SCORES


def counted(tree: ast.AST) -> list[int]:
    """Lines on which the parts of a path, or the names of a point, are taken by their place."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant | ast.Name | ast.Attribute):
            lines += [node.lineno] if ast.unparse(node.value).endswith(("point", "place", "cell")) else []
        if isinstance(node, ast.Subscript):
            by_number = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, int)
            lines += [node.lineno] if by_number and ast.unparse(node.value).endswith(("point", "place", "cell")) else []
            lines += [node.lineno] if ast.unparse(node.value).endswith(".parts") else []
    return lines


def test_nothing_else_counts_the_names_of_a_point() -> None:
    """Recomputing reads paths in its own way: its independence is its purpose."""
    sources = [path for path in PACKAGE.rglob("*.py") if "recompute" not in path.parts and path.name != "point.py"]
    assert {str(path): lines for path in sources if (lines := counted(ast.parse(path.read_text())))} == {}
    templates = [line for path in PACKAGE.rglob("*.j2") for line in path.read_text().splitlines()]
    assert not [line for line in templates if re.search(r"(point|place|base)\[\d", line)]
