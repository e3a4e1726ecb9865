"""The runs kept under examples/: every number and page chains back, receipt by receipt, to the images."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from prunemark.plan.params_file import read_params

EXAMPLES = sorted(path.parent for path in Path(__file__).parents[2].glob("examples/*/receipts.tar.xz"))
KEPT = ("results.csv", "landmarks.csv", "metrics.json", "report.html")
Files = dict[str, bytes]


def names(path: Path) -> str:
    return path.name


@pytest.fixture(scope="module", params=EXAMPLES, ids=names)
def example(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture(scope="module")
def archive(example: Path) -> Files:
    with tarfile.open(example / "receipts.tar.xz") as tar:
        members = [member for member in tar if member.isfile()]
        return {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def receipts(archive: Files) -> dict[str, dict[str, Any]]:
    found = {str(Path(name).parent): json.loads(raw) for name, raw in archive.items() if name.endswith("/receipt.json")}
    return {folder: receipt for folder, receipt in found.items() if not folder.startswith("data/journal")}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_examples_are_there() -> None:
    assert EXAMPLES


def test_page_and_table_are_what_the_report_wrote(example: Path, receipts: dict[str, dict[str, Any]]) -> None:
    written = receipts["data/report"]["outputs"]
    for name in filter(lambda name: f"data/report/{name}" in written and (example / name).is_file(), KEPT):
        assert sha256((example / name).read_bytes()) == written[f"data/report/{name}"]


def test_params_are_those_that_the_report_was_asked_for(example: Path, receipts: dict[str, dict[str, Any]]) -> None:
    report = receipts["data/report"]
    assert read_params(example / "params.yaml").digest(report["schema"]) == report["parameters"]["asked"]


def test_every_input_is_an_output_of_another_step(archive: Files, receipts: dict[str, dict[str, Any]]) -> None:
    made = {path: digest for receipt in receipts.values() for path, digest in receipt["outputs"].items()}
    made |= {name: sha256(raw) for name, raw in archive.items() if not name.endswith("/scores.json")}
    inputs = {(p, d) for receipt in receipts.values() for p, d in receipt["inputs"].items() if p.startswith("data/")}
    assert inputs
    assert {path: digest for path, digest in inputs if made.get(path) != digest} == {}


def test_scores_are_those_that_the_receipts_name(archive: Files, receipts: dict[str, dict[str, Any]]) -> None:
    named = {path: digest for receipt in receipts.values() for path, digest in receipt["outputs"].items()}
    scores = {name: sha256(raw) for name, raw in archive.items() if name.endswith("/scores.json")}
    assert scores
    assert {name: digest for name, digest in scores.items() if named[name] != digest} == {}
