"""Selections, appearances of numbers under rounding, and the answer in words and for machines."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.errors import PrunemarkError
from prunemark.questions import why_text
from prunemark.questions.appearances import appearances, shown
from prunemark.questions.row_selection import select
from prunemark.questions.sources import Run, open_run
from prunemark.questions.why import why
from prunemark.results.formulas import FORMULAS, formula

ROOT = Path(__file__).parents[2]
RESULTS = "data/report/results.csv"


def test_every_metric_of_the_kept_runs_has_a_formula(example: Run) -> None:
    for metric in {row["metric"] for row in example.rows}:
        found = formula(metric)
        assert found.words
        assert found.formula
        assert "\n" not in found.words + found.formula


def test_every_detail_of_the_schemes_has_a_formula() -> None:
    """The metrics that a scheme's readings add, by the literals of the schemes' own code."""
    import ast

    package = ROOT / "src/prunemark/methods"
    found = set()
    for path in [*package.glob("watermarks/*.py"), *package.glob("checks/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "details" and isinstance(node.value, ast.Dict):
                found |= {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
    assert {"disparity", "WR"} <= found <= set(FORMULAS)


def test_a_metric_without_a_formula_is_refused() -> None:
    with pytest.raises(PrunemarkError, match="metric 'beauty' has no formula; known: AuthFRR"):
        formula("beauty")


def test_selection_is_that_of_the_csv(pruning: Run) -> None:
    with (ROOT / "examples/pruning/results.csv").open() as file:
        lines = [
            line for line, row in enumerate(csv.DictReader(file), start=2)
            if (row["metric"], row["pruner"], row["rate"], row["head"]) == ("accuracy", "lamp", "0.9", "refit")
        ]  # fmt: skip
    assert lines
    for question in ("accuracy[pruner=lamp rate=0.9 head=refit]", "accuracy[head=refit, rate=0.90,pruner='lamp']"):
        assert [i + 2 for i, _ in select(pruning.rows, question)] == lines


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("acuracy", "metric 'acuracy' is not there; did you mean 'accuracy'? allowed: accuracy, error"),
        ("accuracy[prunr=lamp]", "column 'prunr' is not there; did you mean 'pruner'? allowed: schema, dataset"),
        ("accuracy[pruner=lemp]", "pruner 'lemp' is not there; did you mean 'lamp'? allowed: original, magnitude"),
        ("accuracy[rate=0.55]", "rate '0.55' is not there; did you mean '0.5'? allowed: 0, 0.1"),
        ("accuracy[lamp]", "'lamp' is not allowed between brackets: column=value, such as rate=0.9"),
        ("accuracy[rate=0.9", "'accuracy[rate=0.9' is no question; allowed: metric[column=value ...], or a number"),
        ("1.2.3", "'1.2.3' is no question"),
        ("", "'' is no question"),
        ("123.456789", "123.456789: appears nowhere in data/report"),
    ],
)
def test_what_cannot_be_answered_is_one_line(pruning: Run, question: str, message: str) -> None:
    with pytest.raises(PrunemarkError) as error:
        why(pruning, question)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(value=st.decimals(0, 1, places=6), decimals=st.integers(0, 3))
def test_a_number_is_found_by_its_own_rounding(value: Decimal, decimals: int) -> None:
    """As a percentage and as it is, rounded half up to any number of decimals; one unit beside, it is not found."""
    unit = Decimal(1).scaleb(-decimals)
    percent = (100 * value).quantize(unit, rounding="ROUND_HALF_UP")
    plain = value.quantize(unit, rounding="ROUND_HALF_UP")
    assert shown(str(percent)).percent(str(value))
    assert shown(f"{percent} %").percent(str(value))
    assert not shown(str(percent + unit)).percent(str(value))
    assert shown(str(plain)).plain(str(value))
    assert not shown(f"{plain} %").plain(str(value))


def test_ends_of_the_rounding_interval() -> None:
    number = shown("92.1")
    assert [number.percent(value) for value in ("0.9204999", "0.9205", "0.92149", "0.9215")] == [
        False,
        True,
        True,
        False,
    ]
    assert [number.plain(value) for value in ("92.05", "92.15", "0.921")] == [True, False, False]
    assert shown("\u22122.1").percent("-0.0214")
    assert shown("1,234").plain("1234")


def test_every_value_of_the_table_is_found(pruning: Run) -> None:
    """By the digits that the CSV itself holds, a sample of rows across the table."""
    for i in range(0, len(pruning.rows), 997):
        row = pruning.rows[i]
        if "e" not in row["value"]:
            assert i in {j for place in appearances(pruning, shown(row["value"])) for j in place.rows}


def test_numbers_of_the_page_lead_to_their_rows(pruning: Run) -> None:
    """40.4 % of README's main table: the mean over two seeds, which is no value of the table itself."""
    rows = [i for i, _ in select(pruning.rows, "accuracy[pruner=magnitude rate=0.9 head=refit]")]
    mean = sum(float(pruning.rows[i]["value"]) for i in rows) / len(rows)
    places = appearances(pruning, shown(f"{100 * mean:.1f}"))
    assert [place for place in places if place.file.endswith("report.html") and list(place.rows) == rows]


def test_means_over_seeds_are_found_in_metrics_json(pruning: Run) -> None:
    rows = [row for _, row in select(pruning.rows, "accuracy[pruner=magnitude rate=0.9 head=refit]")]
    tree = {"cifar10-jpeg": {"simclr-r18w16": {"uchida": {"magnitude": {"0.9": {"accuracy_refit": 0.4041}}}}}}
    files = {"data/report/metrics.json": json.dumps(tree).encode(), RESULTS: pruning.read(RESULTS)}
    (found,) = [p for p in appearances(Run("x", files.get), shown("40.41")) if p.file.endswith("metrics.json")]
    assert found.percent
    assert [pruning.rows[i] for i in found.rows] == rows


def test_the_answer_in_words(pruning: Run) -> None:
    text = "\n".join(why_text.lines(why(pruning, "accuracy[pruner=lamp rate=0.9 head=refit seed=0]")))
    (row,) = [row for _, row in select(pruning.rows, "accuracy[pruner=lamp rate=0.9 head=refit seed=0]")]
    receipt = json.loads(pruning.read("data/pruned/cifar10-jpeg/simclr-r18w16/0/uchida/0/lamp/0.9/receipt.json") or b"")
    journal = json.loads(pruning.read("data/journal/pruned/cifar10-jpeg/simclr-r18w16/0/uchida/0/lamp/0.9.json") or b"")
    for words in (
        f"accuracy refit = {row['value']} = {int(row['k']):,} of {int(row['n']):,} images",
        "k images right / n images",
        f"$ {receipt['command']}\n",
        f"prune, seed {receipt['seed']}: {journal['started']} on {journal['host']}",
        f"commit {journal['commit'][:8]}",
        f"mask.pmk {next(d for n, d in receipt['outputs'].items() if n.endswith('mask.pmk'))[:8]}",
        f"code {len(receipt['code'])} files",
        "it chains: every receipt of 10 steps",
        "again: snakemake --cores 1 --forcerun data/scores/cifar10-jpeg/simclr-r18w16/0/uchida/0/lamp/0.9/cifar10-jpeg/receipt.json",
    ):
        assert words in text


def test_the_answer_for_machines_holds_full_receipts(pruning: Run) -> None:
    facts = json.loads(json.dumps(why(pruning, "accuracy[pruner=lamp rate=0.9 head=refit]").facts()))
    assert len(facts["matches"]) == 2
    for match in facts["matches"]:
        assert match["breaks"] == []
        for folder in match["lineage"]:
            receipt = json.loads(pruning.read(f"{folder}/receipt.json") or b"")
            assert {name: facts["steps"][folder][name] for name in receipt if name != "schema"} == {
                name: value for name, value in receipt.items() if name != "schema"
            }


def test_many_places_are_counted_not_listed(pruning: Run) -> None:
    lines = list(why_text.lines(why(pruning, "0.5")))
    assert len(lines) < 80
    assert any(line.startswith("and ") and "more (`--json` has them all" in line for line in lines)


def test_it_starts_without_what_is_slow(tmp_path: Path) -> None:
    """No torch, pandas, scipy, numpy or MLflow is imported, and 18,000 rows are answered in seconds."""
    code = (
        "import sys; from prunemark.commands.command_line import run; sys.argv = ['prunemark', 'why', '40.4', '--run', 'examples/pruning'];"
        "status = run(); print(sorted({'torch', 'pandas', 'scipy', 'numpy', 'mlflow'} & set(sys.modules)), status)"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert time.monotonic() - started < 10  # a second on an idle machine


def test_runs_are_opened_by_folder_table_archive_and_report(tmp_path: Path) -> None:
    example = ROOT / "examples/default"
    first = open_run(example).rows
    assert open_run(example / "results.csv").rows == first
    repository = tmp_path / "repository"
    (repository / "data/report").mkdir(parents=True)
    (repository / "data/report/results.csv").write_bytes((example / "results.csv").read_bytes())
    subprocess.run(["tar", "cf", tmp_path / "run.tar", "-C", tmp_path, "repository"], check=True)
    for path in (repository, repository / "data/report", tmp_path / "run.tar"):
        assert open_run(path).rows == first
    with pytest.raises(PrunemarkError, match="no such file or folder"):
        open_run(tmp_path / "nothing")
    with pytest.raises(PrunemarkError, match=r"no results\.csv there"):
        open_run(tmp_path)
    (tmp_path / "broken.tar").write_bytes(b"no archive")
    with pytest.raises(PrunemarkError, match="not an archive that can be read"):
        open_run(tmp_path / "broken.tar")
