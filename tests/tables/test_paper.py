"""The tables of a paper say what pandas makes of results.csv, the same in every format, and stand up to check-table."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from prunemark.tables.check.check_table import check_tables
from prunemark.tables.check.reading import read_tables
from prunemark.tables.paper.formats import FORMATS, paper

ROOT = Path(__file__).parents[2]
EXAMPLES = ("pruning", "default")
POINT = ["dataset", "encoder", "watermark", "probe_dataset", "pruner", "rate"]
DROP = 0.05
SUFFIXES = {"latex": "tex", "markdown": "md", "csv": "csv"}


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> Path:
    return ROOT / "examples" / request.param


def written(place: Path, kind: str, folder: Path) -> Path:
    path = folder / f"table.{SUFFIXES[kind]}"
    path.write_text(paper(place, kind))
    return path


def test_numbers_are_what_pandas_groups(example: Path, tmp_path: Path) -> None:
    """Every point and quantity: the mean over seeds, the range or the one interval, sums of k and n; nothing missing."""
    raw = pd.read_csv(example / "results.csv", dtype={"rate": str}, keep_default_na=False, na_values=[""])
    ours = pd.read_csv(written(example, "csv", tmp_path), dtype=str, keep_default_na=False).set_index(POINT)
    assert ours.index.is_unique
    assert set(ours.index) == set(raw[POINT].itertuples(index=False, name=None))
    wanted = raw[
        raw.metric.isin(["AuthSR", "VerSR"])
        | ((raw.metric == "accuracy") & raw["head"].isin(["frozen", "refit"]))
        | ((raw.metric == "agreement") & (raw["head"] == "frozen"))
    ].fillna({"head": "", "check": ""})
    seen = 0
    for key, rows in wanted.groupby([*POINT, "metric", "head", "check"]):
        metric, head, check = key[-3:]
        found, name = ours.loc[key[:6]], "_".join(filter(None, (metric, check, head)))
        single = len(rows) == 1
        expected = {
            "percent": rows.value.mean(),
            "percent_low": rows.ci_low.iloc[0] if single else rows.value.min(),
            "percent_high": rows.ci_high.iloc[0] if single else rows.value.max(),
        }
        decimals = 1 if (rows.n.sum() if check else rows.n.max()) >= 1000 else 0
        for column, value in expected.items():
            text = found[f"{name}_{column}"]
            assert len(text.partition(".")[2]) == decimals
            assert float(text) == pytest.approx(100 * value, abs=0.5 * 10**-decimals + 1e-9), (key, column)
        if check:
            scheme = "_".join(filter(None, (check, head)))
            assert int(found[f"{scheme}_keys_that_succeed"]) == rows.k.sum()
            assert int(found[f"{scheme}_keys_tried"]) == rows.n.sum()
        seen += 1
    filled = ours[[column for column in ours if re.fullmatch(r"(acc|agr|Auth|Ver).*_percent", column)]]
    assert seen == int((filled != "").sum().sum()) > 100
    sparsity = raw[raw.metric == "sparsity"].groupby(POINT).value.mean()
    assert pd.to_numeric(ours.loc[sparsity.index].sparsity_percent).to_numpy() == pytest.approx(
        100 * sparsity.to_numpy(), rel=1e-3
    )


def test_a_mark_that_outlives_its_encoder_is_moot(tmp_path: Path) -> None:
    place = ROOT / "examples/pruning"
    raw = pd.read_csv(place / "results.csv", dtype={"rate": str}, keep_default_na=False, na_values=[""])
    refitted = raw[(raw.metric == "accuracy") & (raw["head"] == "refit") & (raw.watermark == "uchida")]
    left = refitted.groupby(["pruner", "rate"]).value.mean()
    lost = left["original", "0"] - left > DROP + 1e-9
    mark = raw[(raw.metric == "VerSR") & (raw.check == "uchida")].groupby(["pruner", "rate"]).k.sum()
    expected = {at for at in mark.index if lost[at] and mark[at] > 0}
    ours = pd.read_csv(written(place, "csv", tmp_path), dtype=str, keep_default_na=False)
    assert {(row.pruner, row.rate) for row in ours.itertuples() if row.uchida_moot} == expected
    (table, _) = read_tables(written(place, "markdown", tmp_path))
    column = table.headers.index("VerSR uchida (keys)")
    marked = {(row.cells[0], row.cells[1]) for row in table.rows if row.cells[column].endswith("\u2020")}
    assert marked == expected
    assert len(expected) > 10

    shutil.copyfile(place / "results.csv", tmp_path / "results.csv")
    assert "is not said: the run has no params.yaml" in paper(tmp_path, "markdown")
    (tmp_path / "params.yaml").write_text("seeds: [0, 1]\n")
    assert paper(tmp_path, "markdown").count("\u2020") == paper(place, "markdown").count("\u2020"), "a default drop"


def test_every_format_has_the_same_figures(example: Path, tmp_path: Path) -> None:
    """Cells of LaTeX and Markdown are alike, and the figures before their brackets are those of CSV."""
    markdown, latex = (read_tables(written(example, kind, tmp_path)) for kind in ("markdown", "latex"))
    assert [table.headers for table in markdown] == [table.headers for table in latex]
    cells = [[row.cells for row in table.rows] for table in markdown]
    assert cells == [[row.cells for row in table.rows] for table in latex]
    ours = pd.read_csv(tmp_path.joinpath(written(example, "csv", tmp_path)), dtype=str, keep_default_na=False)
    shown = [
        row[2:5]
        for table, rows in zip(markdown, cells, strict=True)
        if "knee" not in table.headers[1]
        for row in rows
        if row[1] != "-"
    ]
    pruned = ours[ours.sparsity_percent != ""]
    numbers = pruned[["sparsity_percent", "accuracy_frozen_percent", "accuracy_refit_percent"]].to_numpy().tolist()
    assert [[cell.split(" [")[0] for cell in row] for row in shown] == numbers


def test_landmarks_are_those_of_the_file(tmp_path: Path) -> None:
    place = ROOT / "examples/pruning"
    rows = pd.read_csv(place / "landmarks.csv", keep_default_na=False, dtype=str)
    _, table = read_tables(written(place, "markdown", tmp_path))
    shown = {row.cells[0]: dict(zip(table.headers, row.cells, strict=True)) for row in table.rows}
    assert list(shown) == list(dict.fromkeys(rows.pruner))
    for row in rows[(rows.what == "knee") & (rows["head"] == "refit")].itertuples():
        text = f"{float(row.value):.2g} [{float(row.low):.2g}, {float(row.high):.2g}]"
        assert shown[row.pruner]["knee of accuracy, refitted head (rate)"] == text
    halves = {pruner: found["half-life of uchida (rate)"] for pruner, found in shown.items()}
    assert (halves["magnitude"], halves["random"], halves["l1-filter"]) == (
        "beyond 0.95", "beyond 0.95 (at least 0.93)", "0.7 [0.65, 0.75]",
    )  # fmt: skip
    assert shown["magnitude"]["half-life of feature-digest (rate)"] == "below 0.1 [0, 0.1]"


@pytest.mark.parametrize("kind", FORMATS)
def test_check_table_finds_no_error_in_it_and_finds_a_slip(example: Path, tmp_path: Path, kind: str) -> None:
    path = written(example, kind, tmp_path)
    verdicts = check_tables(path, None)
    outcomes = [outcome for verdict in verdicts for outcome in verdict.outcomes]
    assert [fault for outcome in outcomes for fault in outcome.faults] == []
    checked = {name: sum(o.checked for o in outcomes if o.check == name) for name in {o.check for o in outcomes}}
    assert checked["value inside its interval"] > 200
    assert checked["shares within 0 and 100 %"] > 100
    text = path.read_text()
    slip = re.sub(r"\b(3[0-9])(\.[0-9][ ,]\[?3)", r"7\2", text, count=1)
    path.write_text(slip)
    assert slip != text
    assert sum(verdict.faults for verdict in check_tables(path, None)) == 1


def test_latex_is_whole_and_escaped(example: Path) -> None:
    """Environments close in order, every row has as many cells as its column format, and nothing special stands bare."""
    text = paper(example, "latex")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        assert kind == "begin" or opened.pop() == name
        opened += [name] * (kind == "begin")
    assert opened == []
    assert not re.search(r"(?<!\\)[%#_$]|<|>", re.sub(r"\\label\{.*?\}", "", body))
    for columns, rows in re.findall(r"\\begin\{(?:tabular|longtable)\}\{(\w+)\}(.*?)\\end\{", body, re.DOTALL):
        lines = [line for line in rows.splitlines() if " & " in line]
        assert {line.count(" & ") for line in lines} == {len(columns) - 1}
        assert all(line.endswith(r" \\") for line in lines)
    assert text.startswith("% \\usepackage{booktabs,longtable}\n")
