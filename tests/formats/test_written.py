"""Written formats: what they take, what they write again, and what a fault is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prunemark.disk.files import write_json
from prunemark.errors import PrunemarkError
from prunemark.formats.calibration import Calibration
from prunemark.formats.journal import Measured
from prunemark.formats.receipt import Receipt, read_receipt
from prunemark.formats.scores import Scores
from prunemark.formats.written import MOST, parse, read, write

PARAMETERS = {"rate": 1.0, "keys": 1, "tied": True, "null": ["a", "b"], "set": {"lr": 1e-05, "b": None}, "none": None}
RECEIPT = {
    "schema": 2, "stage": "prune", "command": "prunemark prune", "parameters": PARAMETERS, "seed": None,
    "inputs": {"data/raw/a/receipt.json": "0"}, "outputs": {}, "code": {},
}  # fmt: skip


def test_values_keep_their_type(tmp_path: Path) -> None:
    write_json(tmp_path / "receipt.json", RECEIPT)
    receipt = read_receipt(tmp_path)
    assert json.dumps(receipt.parameters, sort_keys=True) == json.dumps(PARAMETERS, sort_keys=True)
    assert receipt.parents == ["data/raw/a"]


def test_what_was_not_set_is_not_written(tmp_path: Path) -> None:
    write(tmp_path / "a.json", Measured(scheme_seconds=1.5))
    assert (tmp_path / "a.json").read_text() == '{\n "scheme_seconds": 1.5\n}\n'


def test_files_without_a_schema_are_of_the_first(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"method": "none", "kind": "control", "level": "WEIGHTS", "trials": []})
    assert read(tmp_path / "a.json", Calibration).schema_number == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 3}, "schema 3 is not allowed: it should be 1 or 2"),
        ({"schema": None}, "schema None is not allowed: it should be 1 or 2"),
        ({"more": 1, "and": 2}, "not a receipt: unknown: and, more"),
        ({"inputs": {"a": 1}}, "not a receipt: inputs.a: 1 is not allowed: it should be a valid string"),
        ({"inputs": None}, "not a receipt: inputs: None is not allowed: it should be an object"),
        ({"seed": 1.5}, "not a receipt: seed: 1.5 is not allowed: it should be a valid integer"),
        ({"seed": True}, "not a receipt: seed: True is not allowed: it should be a valid integer"),
        ({"parameters": {"a": {"b": {"c": 1}}}}, "not a receipt: parameters.a."),
        ({"a\nb" + "c" * 999: 1}, "not a receipt: unknown: a?bccc"),
        ({"seed": "d" * 999}, "not a receipt: seed: 'ddd"),
    ],
)
def test_a_fault_is_one_bounded_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    write_json(path, RECEIPT | changes)
    with pytest.raises(PrunemarkError) as caught:
        read_receipt(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"{path}: {message}")
    assert text.isprintable()
    assert len(text) < len(str(path)) + MOST + 100
    assert text.endswith("remove it, and `prunemark build` makes it again")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"[" * 200_000, b"\xff", b'{"a": NaN}'])
def test_what_is_no_object_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(PrunemarkError, match=r"^place: not a receipt: "):
        parse(raw, Receipt, "place")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_are_finite(number: str) -> None:
    raw = json.dumps(RECEIPT).replace("1e-05", number).encode()
    with pytest.raises(PrunemarkError, match=r"^place: not a receipt: "):
        parse(raw, Receipt, "place")


def test_a_receipt_that_is_not_in_canonical_form_is_none(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(json.dumps(RECEIPT))
    with pytest.raises(PrunemarkError, match="not as written: its JSON is not in canonical form"):
        read_receipt(tmp_path)


def test_rows_of_scores_take_no_field_that_is_not_theirs() -> None:
    row = {"metric": "accuracy", "unit": "images", "value": 1}
    scores = Scores.model_validate({"schema": 1, "classes": 2, "rows": [row]})
    assert scores.content() == {"schema": 1, "classes": 2, "rows": [row]}
    for wrong in (row | {"extra": 1}, row | {"value": "1"}, row | {"value": True}, {"metric": "accuracy"}):
        with pytest.raises(PrunemarkError, match=r"place: not scores: .*rows\.0"):
            parse(json.dumps({"schema": 1, "classes": 2, "rows": [wrong]}).encode(), Scores, "place")
