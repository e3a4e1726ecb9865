"""A receipt is asked by its fields: no string looks one up outside the formats."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunemark.formats.receipt import Receipt

SOURCES = Path(__file__).parents[2] / "src/prunemark"
FIELDS = {*Receipt.model_fields}
# They read receipts by code of their own on purpose: to vouch for nothing that they check, and to stand alone.
OF_THEIR_OWN = ("formats/", "receipts/", "provenance/recompute/", "evidence/verify.py")
# Rows of results.csv have a seed, too, and so has a drawn sample.
OTHERS = {("row", "seed"), ("outcome.facts", "seed")}


def lookups(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """What is asked, the field, and the line of every ``x["field"]``, ``x.get("field")`` and ``x.pop("field")``."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=ast.Constant(value=str(name)), ctx=ast.Load()):
                pass
            case ast.Call(
                func=ast.Attribute(value=value, attr="get" | "pop"), args=[ast.Constant(value=str(name)), *_]
            ):
                pass
            case _:
                continue
        if name in FIELDS:
            yield ast.unparse(value), name, node.lineno


def test_no_string_looks_a_receipt_up() -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{line}: {value}[{name!r}]"
        for path in sorted(SOURCES.rglob("*.py"))
        if not path.relative_to(SOURCES).as_posix().startswith(OF_THEIR_OWN)
        for value, name, line in lookups(ast.parse(path.read_text()))
        if (value, name) not in OTHERS
    ]
    assert found == []


@pytest.mark.parametrize(
    "source", ['receipt["inputs"]', 'step.receipt["code"]', 'read(path).get("seed")', 'found["a"]["outputs"]']
)
def test_every_look_up_is_noticed(source: str) -> None:
    assert list(lookups(ast.parse(source)))
