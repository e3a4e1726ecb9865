"""What the pages under docs/ say is done in a copy of the sources: it must work as they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from instructions import DOCS, ROOT, follow, scratch

# A scheme under three keys, and the same figures by the audit's own formulas.
COLUMN = """
import csv, io
import numpy as np
from prunemark.formats.scores import ScoreRow
from prunemark.page.packed import packed_rows
from prunemark.provenance.recompute.schemes import success
from prunemark.questions.appearances import in_results, shown
from prunemark.results.scores import CheckTrials, check_rows
from prunemark.results.columns import NUMBERS
from prunemark.results.table import CELL, table, to_csv

statistics, limits = np.array([3.0, 4.0, 8.0]), np.array([3.5, 3.5, 3.5])
trials = CheckTrials("c", "fragile", "", statistics, limits, [False], [], 0, 0, 0, 3, [], [])
rows = table([(tuple(CELL), check_rows(trials, altered=True))])
written = list(csv.DictReader(io.StringIO(to_csv(rows))))
assert [row["statistic_sd"] for row in written] == ["2.160246899"] * 2, written
again = success("c", "", "fragile", statistics, [{"threshold": 3.5, "unmarked": [0.0]}] * 3, True)
assert all(abs(figure["statistic_sd"] - 2.160246899) < 1e-9 for figure in again.values()), again
assert "statistic_sd" in packed_rows(rows)["columns"]["facts"]
assert [place.where for place in in_results(written, shown("2.16"))] == [f"line {n}, statistic_sd" for n in (2, 3)]
assert NUMBERS["statistic_sd"] is float
assert "statistic_sd" in ScoreRow.__annotations__
"""


def python(folder: Path, *arguments: str) -> None:
    """Run Python with the sources in ``folder``; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_pruner_keeps_its_contract(tmp_path: Path) -> None:
    assert follow("add-a-pruner.md", scratch(tmp_path)) == ["src/prunemark/methods/pruners/mean_distance.py"]
    given = "assert registry.complete('pruners', 'mean-distance', {'pull': 0.5}) == {'pull': 0.5}"
    python(tmp_path, "-c", f"from prunemark import registry; {given}")
    contract = "tests/methods/pruners/test_pruners_contract.py"
    python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", contract, "-k", "mean-distance and not resnet")


def test_the_alteration_keeps_its_contract(tmp_path: Path) -> None:
    assert follow("add-an-alteration.md", scratch(tmp_path)) == ["src/prunemark/methods/alterations/shift.py"]
    tests = tmp_path / "tests"
    shutil.copytree(ROOT / "tests/methods/alterations", tests, ignore=shutil.ignore_patterns("__pycache__"))
    contract = tests / "test_alterations_contract.py"
    contract.write_text(contract.read_text().replace("STRENGTHS = {", 'STRENGTHS = {\n    "shift": 0.1,'))
    python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(contract), "-k", "shift")


def test_the_column_is_written_read_and_recomputed(tmp_path: Path) -> None:
    assert len(follow("add-a-column.md", scratch(tmp_path))) == 3
    python(tmp_path, "-c", COLUMN)


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("add-*.md")))
def test_a_page_fits_the_files_as_they_are_and_lists_all_it_touches(page: str, tmp_path: Path) -> None:
    touched = follow(page, scratch(tmp_path))
    assert touched
    listed = (DOCS / page).read_text().partition("\n## ")[0]
    unlisted = [name for name in touched if f"| `{name}` |" not in listed.replace("<name>", Path(name).stem)]
    assert not unlisted
    for name in touched:
        if name.endswith(".py"):
            compile((tmp_path / name).read_text(), name, "exec")
