"""Receipts, journals and scores of the kept runs: every one fits its published schema and comes out again in bytes."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from prunemark.disk.files import canonical_json
from prunemark.formats.journal import Journal
from prunemark.formats.receipt import Receipt
from prunemark.formats.scores import Scores
from prunemark.formats.written import parse

ROOT = Path(__file__).parents[2]
KEPT = sorted(ROOT.glob("examples/*/receipts.tar.xz"))
MODELS = {"receipt": Receipt, "journal": Journal, "scores": Scores}
EACH = 40


def kind_of(name: str) -> str:
    return "journal" if name.startswith("data/journal/") else Path(name).stem


@pytest.fixture(scope="module", params=KEPT, ids=lambda path: path.parent.name)
def kept(request: pytest.FixtureRequest) -> dict[str, dict[str, bytes]]:
    """Files of a kept run by kind and name."""
    with tarfile.open(request.param) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        contents = {name: file.read() for name, file in files.items() if file}
    return {kind: {name: raw for name, raw in contents.items() if kind_of(name) == kind} for kind in MODELS}


def test_they_come_out_again_byte_for_byte(kept: dict[str, dict[str, bytes]]) -> None:
    for kind, files in kept.items():
        assert files
        for name, raw in files.items():
            assert canonical_json(parse(raw, MODELS[kind], name).content()).encode() == raw


def test_they_fit_their_schema(kept: dict[str, dict[str, bytes]]) -> None:
    for kind, files in kept.items():
        schema = json.loads((ROOT / f"docs/schemas/{kind}.json").read_text())
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        for raw in list(files.values())[:: max(1, len(files) // EACH)]:
            content = json.loads(raw)
            assert [error.message for error in validator.iter_errors(content)] == []
            assert list(validator.iter_errors(content | {"more": 1}))
            assert list(validator.iter_errors(content | {"schema": 9}))
