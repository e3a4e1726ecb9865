"""The schemas under docs/schemas are those of the models, and the files that editors complete by them fit."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from prunemark.disk.yaml_file import read_yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs/schemas"
MARK = "# yaml-language-server: $schema="
SHIPPED = [*sorted(ROOT.glob("params*.yaml")), ROOT / "tests/engines/tiny.yaml"]
KEPT = sorted(ROOT.glob("examples/*/params.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads((SCHEMAS / "params.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_schemas_are_those_of_the_models() -> None:
    texts = runpy.run_path(str(SCHEMAS / "generate.py"))["texts"]()
    assert {name: (SCHEMAS / name).read_text() == text for name, text in texts.items()} == dict.fromkeys(texts, True), (
        "`make schemas` writes them"
    )


@pytest.mark.parametrize("path", [*SHIPPED, *KEPT], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_params_files_fit_their_schema(path: Path, validator: Draft202012Validator) -> None:
    validator.validate(read_yaml(path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_first_line_leads_an_editor_to_the_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith(MARK)
    assert (path.parent / first.removeprefix(MARK)).resolve() == SCHEMAS / "params.json"


@pytest.mark.parametrize(
    "edit",
    [
        {"sead": [0]},
        {"device": "gpu"},
        {"rates": [1.5]},
        {"seeds": "0"},
        {"encoders": {"small": {"objective": "simclr"}}},
        {"pruners": {"magnitude": {"scoope": "layer"}}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(edit: dict[str, Any], validator: Draft202012Validator) -> None:
    with pytest.raises(ValidationError):
        validator.validate(read_yaml(ROOT / "params.yaml") | edit)
