"""Every cell of the kept runs chains back to its raw data; a chain that does not hold is said not to."""

from __future__ import annotations

import json

import pytest

from prunemark.errors import PrunemarkError
from prunemark.provenance.lineage import lineage
from prunemark.questions.sources import Run, folder_of
from prunemark.questions.why import checked


def test_every_reported_cell_chains_back_to_raw_data(example: Run) -> None:
    folders = list(dict.fromkeys(folder_of(row) for row in example.rows))
    assert folders
    for folder in folders:
        found = checked(example, folder)
        assert found.breaks == []
        assert found.steps[0].folder == folder
        assert [step.role for step in found.main[-1:]] == ["data"]
        assert found.main[-1].receipt.stage == "fetch"


def test_each_step_stands_before_all_that_it_read(example: Run) -> None:
    for row in example.rows[:: max(1, len(example.rows) // 50)]:
        place = {step.folder: i for i, step in enumerate(lineage(example.read, folder_of(row)).steps)}
        for folder, i in place.items():
            receipt = json.loads(example.read(f"{folder}/receipt.json") or b"")
            read = [name[: -len("/receipt.json")] for name in receipt["inputs"] if name.endswith("/receipt.json")]
            assert all(place[parent] > i for parent in read)


def test_main_path_and_what_was_read_beside_it(tree) -> None:
    found = lineage(tree.build().run().read, tree.SCORES)
    assert [(step.receipt.stage, step.role) for step in found.main] == [
        ("evaluate", ""), ("prune", "pruned"), ("watermark", "marked"), ("train", "encoder"), ("fetch", "data"),
    ]  # fmt: skip
    assert {step.role for step in found.steps if not step.main} == {"original", "null"}
    assert found.breaks == []


def test_a_step_that_was_run_again_does_not_chain(tree, other) -> None:
    other.code["t.py"] = "2"
    tree.build().files["data/encoders/d/e/0/receipt.json"] = other.build().files["data/encoders/d/e/0/receipt.json"]
    name = "data/encoders/d/e/0/receipt.json"
    assert sorted(lineage(tree.run().read, tree.SCORES).breaks) == [
        f"{name}: not the one that {folder}/receipt.json has read" for folder in (tree.MARKED, tree.PRUNED)
    ]


def test_a_missing_receipt_is_named(tree) -> None:
    del tree.build().files[f"{tree.PRUNED}/receipt.json"]
    assert lineage(tree.run().read, tree.SCORES).breaks == [
        f"{tree.PRUNED}/receipt.json: missing; {tree.SCORES}/receipt.json names it"
    ]


def test_scores_that_the_report_has_not_read(tree, other) -> None:
    other.code["e.py"] = "2"
    tree.build().files[f"{tree.SCORES}/receipt.json"] = other.build().files[f"{tree.SCORES}/receipt.json"]
    assert f"{tree.SCORES}/scores.json: not the one that the report has read" in checked(tree.run(), tree.SCORES).breaks


def test_a_table_that_the_report_has_not_written(tree) -> None:
    tree.build().files["data/report/results.csv"] += b"\n"
    assert checked(tree.run(), tree.SCORES).breaks == ["data/report/results.csv: not as the report has written it"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; a lineage begins with a receipt"),
        (b"[]", "not a receipt"),
        (b"{", "not a receipt"),
        (b'{"schema": 3}', "schema 3 is not allowed: it should be 1 or 2"),
        (b'{"schema": 2}', "not a receipt: without code, command, inputs, outputs, parameters, seed, stage"),
        (b'{"schema": 1}', "not a receipt: without code, command, inputs, outputs, parameters, seed, stage"),
        pytest.param(b"[" * 200_000, "not a receipt", id="200,000 brackets"),
    ],
)
def test_what_is_no_receipt(content: bytes | None, message: str) -> None:
    with pytest.raises(PrunemarkError, match=message):
        lineage(lambda name: content if name == "data/x/receipt.json" else None, "data/x")


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b'{"started": "now"}'])
def test_what_is_no_journal_entry(content: bytes, tree) -> None:
    tree.build().files[f"data/journal/{tree.PRUNED.removeprefix('data/')}.json"] = content
    with pytest.raises(PrunemarkError, match=r"/0\.5\.json: not a journal entry: ") as error:
        checked(tree.run(), tree.SCORES)
    assert "\n" not in str(error.value)
