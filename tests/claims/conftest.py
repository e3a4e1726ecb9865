from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/pruning"
COUNTS = ("k", "n")
NUMBERS = ("value", "ci_low", "ci_high", "statistic", "threshold", "fpr", "fpr_upper")


def rows_of(path: Path) -> list[dict[str, Any]]:
    """A results.csv as the rows it was written from."""
    found = []
    with path.open(newline="") as file:
        for read in csv.DictReader(file):
            row: dict[str, Any] = {name: text for name, text in read.items() if text}
            row |= {name: int(row[name]) for name in COUNTS if name in row}
            row |= {name: float(row[name]) for name in NUMBERS if name in row}
            found.append(row)
    return found


@pytest.fixture(scope="session")
def kept_rows() -> list[dict[str, Any]]:
    """The rows of the run that the README answers the five sentences with."""
    return rows_of(EXAMPLE / "results.csv")


@pytest.fixture(scope="session")
def kept_params() -> dict[str, Any]:
    from prunemark.plan.params_file import read_params

    return read_params(EXAMPLE / "params.yaml").model_dump(mode="json")
