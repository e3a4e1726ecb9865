"""What is shown of one cell at a time, as compact JSON: matrix, classes, layers, images and curves."""

from __future__ import annotations

from typing import Any

from prunemark.formats.scores import Scores
from prunemark.page.packed import Interned
from prunemark.page.supplement import Evidence
from prunemark.point import Point

LARGEST_MATRIX = 40


def packed_cells(contents: dict[Point, Scores], evidence: Evidence) -> dict[str, Any]:
    """Per cell, in the order of results.csv, what there is; lists that many cells share stand once."""
    lists = Interned()
    cells = [packed_cell(point, content, evidence, lists) for point, content in contents.items()]
    return {"cells": cells, "lists": lists.values, "pictures": evidence.pictures, "largest": LARGEST_MATRIX}


def packed_cell(point: Point, content: Scores, evidence: Evidence, lists: Interned) -> dict[str, Any]:
    """``matrix``: row after row. ``right``: per head the images of each class, and how many the original and this one
    predict right. ``layers``: their names, weights and removed weights."""
    cell: dict[str, Any] = {"classes": content.classes}
    if content.agreement_matrix and content.classes <= LARGEST_MATRIX:
        cell["matrix"] = [count for row in content.agreement_matrix for count in row]
        cell["right"] = {
            head: [lists(tuple(counts)) for counts in (right.n, right.original, right.pruned)]
            for head, right in (content.classes_right or {}).items()
        }
    if content.sizes and content.sizes.layers:
        removed, totals = zip(*content.sizes.layers.values(), strict=True)
        cell["layers"] = [lists(tuple(content.sizes.layers)), lists(totals), list(removed)]
    if point in evidence.predictions:
        cell["predicted"] = evidence.predictions[point]
    if evidence.curves.get(point):
        cell["curves"] = [packed_curve(curve) for curve in evidence.curves[point]]
    return cell


def packed_curve(curve: dict[str, Any]) -> list[Any]:
    corners = [count for corner in curve["corners"] for count in corner]
    return [curve["scheme"], curve["head"], int(curve["robust"]), corners, curve["at"], curve["area"]]
