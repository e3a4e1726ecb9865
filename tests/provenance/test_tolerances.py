"""Every unit of a reported row has a tolerance."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from prunemark.provenance.tolerances import TOLERANCES

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/results.csv"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_unit_of_the_kept_runs_has_one(path: Path) -> None:
    with path.open() as file:
        units = {row["unit"] for row in csv.DictReader(file)}
    assert units <= set(TOLERANCES)
