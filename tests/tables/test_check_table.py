"""Planted slips of every kind are found and named; tables that are right raise no alarm."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.errors import PrunemarkError
from prunemark.tables.check import table_cells
from prunemark.tables.check.check_table import check_tables
from prunemark.tables.check.reading import Line, Table, read_tables
from prunemark.tables.check.table_grid import Fault, Grid
from prunemark.tables.check.trials import granularity

ROOT = Path(__file__).parents[2]


def markdown(*lines: str) -> str:
    head, *rows = lines
    return "\n".join([f"| {head} |", "|" + "---|" * (head.count("|") + 1), *(f"| {row} |" for row in rows)]) + "\n"


def faults(folder: Path, text: str, name: str = "table.md", n: int | None = None) -> list[tuple[str, Fault]]:
    path = folder / name
    path.write_text(text)
    verdicts = check_tables(path, n)
    return [(o.check, fault) for verdict in verdicts for o in verdict.outcomes for fault in o.faults]


CHANGE, GRIM, COUNT = "change = after - before", "percentages possible for n", "percentage = k / n"
INSIDE, RANGE, SUM = "value inside its interval", "shares within 0 and 100 %", "accuracy + error = 100 %"
ZEROS, RATIO, REPEAT = "sparsity = zeros / total", "compression = 1 / (1 - sparsity)", "repeated rows agree"

# Each: the table, its file name, the check, row and column of the slip, and what it should be.
SLIPS: dict[str, tuple[str, str, str, int, str, str]] = {
    "a change that is no difference": (
        markdown("method | acc before | acc after | Δ", "a | 85.3 | 82.1 | -3.2", "b | 85.3 | 81.1 | -4.6"),
        "t.md", CHANGE, 2, "Δ", "-4.2 ",
    ),
    "a change whose sign is lost": (
        markdown("m | Baseline | Pruned | Change", "a | 70.1 | 68.4 | 1.7", "b | 70.1 | 69.0 | -1.1"),
        "t.md", CHANGE, 1, "Change", "-1.7 ",
    ),
    "a drop that is no difference": (
        markdown("m | dense acc | pruned acc | drop", "a | 76.2 | 75.1 | 1.1", "b | 76.2 | 74.9 | 1.6"),
        "t.md", CHANGE, 2, "drop", "1.3 ",
    ),
    "a relative reduction": (
        markdown("m | FLOPs before | FLOPs after | reduction (%)", "a | 4.10G | 2.05G | 50.0", "b | 4.10G | 1.64G | 64.0"),
        "t.md", CHANGE, 2, "reduction (%)", "60.0 ",
    ),
    "one sign against the habit of the table": (
        markdown("m | original | after | diff", *(f"{i} | 90 | {90 - i} | {i}" for i in (1, 2, 3)), "x | 90 | 85 | -5"),
        "t.md", CHANGE, 4, "diff", "5 ",
    ),
    "points between fractions": (
        markdown("m | acc before | acc after | Δ acc (%)", "a | 0.853 | 0.821 | -3.2", "b | 0.853 | 0.811 | -3.2"),
        "t.md", CHANGE, 2, "Δ acc (%)", "-4.2 ",
    ),
    "a percentage that 150 images cannot give": (
        markdown("method | accuracy (%) | n", "a | 81.33 | 150", "b | 81.10 | 150"),
        "t.md", GRIM, 2, "accuracy (%)", "80.67 (121 of 150) or 81.33 (122 of 150)",
    ),
    "a fraction that 20 keys cannot give": (
        "scheme,AuthSR,trials\na,0.95,20\nb,0.93,20\n", "t.csv", GRIM, 2, "AuthSR", "0.90 (18 of 20) or 0.95 (19 of 20)",
    ),
    "an accuracy above 100": (
        markdown("m | top-1 (%)", "a | 76.1", "b | 761.0"), "t.md", RANGE, 2, "top-1 (%)", "between 0 and 100 %",
    ),
    "a value below its interval": (
        "m,acc,ci_low,ci_high\na,0.85,0.83,0.87\nb,0.81,0.83,0.87\n", "t.csv", INSIDE, 2, "acc", "0.83 or more",
    ),
    "a value above its interval, in one cell": (
        markdown("m | accuracy", "a | 85.3 [83.0, 87.4]", "b | 88.3 [83.0, 87.4]"),
        "t.md", INSIDE, 2, "accuracy", "87.4 or less",
    ),
    "a value outside the interval beside it": (
        markdown("m | accuracy | 95 % CI", "a | 85.3 | 83.0-87.4", "b | 58.3 | 83.0-87.4"),
        "t.md", INSIDE, 2, "accuracy", "83.0 or more",
    ),
    "ends the wrong way round": (
        "m,value,low,high\na,0.85,0.87,0.83\nb,0.85,0.83,0.87\n", "t.csv", INSIDE, 1, "value", "between ends in order",
    ),
    "one of two named intervals": (
        "m,acc,loss,loss_low,loss_high\na,0.9,0.31,0.29,0.33\nb,0.9,0.35,0.29,0.33\n", "t.csv", INSIDE, 2, "loss", "0.33 or",
    ),
    "k of n against its percentage": (
        markdown("m | success", "a | 19 of 20 (95 %)", "b | 17 of 20 (95 %)"), "t.md", COUNT, 2, "success", "85 % (17 of 20)",
    ),
    "a percentage against k of n": (
        markdown("m | VerSR", "a | 85.0 % (17/20)", "b | 80.0 % (17/20)"), "t.md", COUNT, 2, "VerSR", "85.0 % (17 of 20)",
    ),
    "more successes than trials": (
        markdown("m | keys", "a | 19 of 20", "b | 21 of 20"), "t.md", COUNT, 2, "keys", "k from 0 to 20",
    ),
    "k of n outside its interval": (
        markdown("m | VerSR (keys)", "a | 19 of 20 [76, 99]", "b | 9 of 20 [76, 99]†"), "t.md", INSIDE, 2, "VerSR (keys)", "76 or more",
    ),
    "k of n outside an interval of fractions": (
        markdown("m | VerSR", "a | 19 of 20 [0.76, 0.99]", "b | 9 of 20 [0.76, 0.99]"), "t.md", INSIDE, 2, "VerSR", "0.76 or more",
    ),
    "k and n in columns": (
        "m,metric,value,k,n\na,accuracy,0.853,853,1000\nb,accuracy,0.835,853,1000\n", "t.csv", COUNT, 2, "value", "0.853 (853",
    ),
    "sparsity against non-zeros": (
        markdown("m | sparsity (%) | non-zeros | total", "a | 90.0 | 1,000 | 10,000", "b | 80.0 | 1,000 | 10,000"),
        "t.md", ZEROS, 2, "sparsity (%)", "90.0 (1,000 of 10,000",
    ),
    "sparsity against zeros in millions": (
        markdown("m | sparsity | removed | parameters", "a | 0.95 | 10.64M | 11.2M", "b | 0.90 | 10.64M | 11.2M"),
        "t.md", ZEROS, 2, "sparsity", "0.95 (10.64M of 11.2M",
    ),
    "compression against sparsity": (
        markdown("m | sparsity (%) | compression", "a | 90.0 | 10.0x", "b | 95.0 | 25.0x"),
        "t.md", RATIO, 2, "compression", "20.0 (1 / (1 - 95.0 %))",
    ),
    "trials below nothing": ("m,accuracy,k,n\na,0.5,20,40\nb,0.5,20,-40\n", "t.csv", COUNT, 2, "n", "1 or more"),
    "error that is not the rest": (
        markdown("m | top-1 acc | top-1 err", "a | 76.2 | 23.8", "b | 74.9 | 24.1"), "t.md", SUM, 2, "top-1 err", "25.1 (100",
    ),
    "a row that stands twice": (
        markdown("method | rate | accuracy", "a | 0.9 | 85.3", "b | 0.9 | 80.1", "a | 0.9 | 83.5"),
        "t.md", REPEAT, 3, "accuracy", "85.3, as in row 1",
    ),
    "a row that stands twice below one name": (
        markdown("method | rate | accuracy", "a | 0.5 | 85.3", " | 0.9 | 80.1", " | 0.9 | 83.5", "b | 0.9 | 80.1"),
        "t.md", REPEAT, 3, "accuracy", "80.1, as in row 2",
    ),
    "LaTeX with a name over two rows": (
        r"""
\begin{tabular}{llc}
\hline
Method & Rate & Acc. (\%) \\ \hline
\multirow{2}{*}{A} & 0.5 & 85.3 \\ \cline{2-3}
 & 0.9 & \underline{80.1} \\[2pt] \hline
B & 0.9 & 80.1 \\
 & 0.9 & 81.0 \\ \hline
\end{tabular}
""",
        "t.tex", REPEAT, 4, "Acc. (%)", "80.1, as in row 3 of the same B 0.9",
    ),
    "LaTeX over several pages": (
        r"""
\begin{longtable}{lr}
\caption{Of 100 {\%} & more} \label{tab:x} \\
\toprule
Method & Acc. (\%) \\
\midrule
\endfirsthead
\caption[]{Of 100 {\%} & more} \\
\toprule
Method & Acc. (\%) \\
\midrule
\endhead
\midrule
\multicolumn{2}{r}{Continued} \\
\endfoot
\bottomrule
\endlastfoot
A & 85.3 \\
B & 853 \\
\end{longtable}
""",
        "t.tex", RANGE, 2, "Acc. (%)", "between 0 and 100 %",
    ),
    "semicolons": ("m;acc before;acc after;delta\na;85.3;82.1;-3.2\nb;85.3;81.1;-4.6\n", "t.csv", CHANGE, 2, "delta", "-4.2 "),
    "LaTeX with a header of two lines": (
        r"""
\begin{tabular}{l|cc|c}
\toprule
 & \multicolumn{2}{c|}{Top-1 (\%)} & \\  % a comment & more
Method & Baseline & Pruned & $\Delta$ \\
\midrule
\textbf{Ours} & 76.15 & $\mathbf{75.30}$ & $-$0.85 \\
Other~\cite{x} & 76.15 & 74.61 & $-1.45$ \\ \hline
\end{tabular}
""",
        "t.tex", CHANGE, 2, r"Δ", "-1.54 ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_is_found_alone_and_named(tmp_path: Path, slip: str) -> None:
    text, name, check, row, column, should = SLIPS[slip]
    found = faults(tmp_path, text, name)
    assert [(kind, fault.row, fault.column) for kind, fault in found] == [(check, row, column)], found
    fault = found[0][1]
    assert fault.should.startswith(should)
    assert fault.stands.split("[")[0].strip() in text.splitlines()[fault.line - 1].replace("$", "")


CLEAN = {
    "a row twice, once rounded": markdown("m | accuracy", "a | 85.34", "a | 85.3"),
    "n that is no whole number": "m,value,k,n\na,0.5,1,0.853\n",
    "rounding of all three": markdown("m | before | after | Δ", "a | 85.34 | 82.1 | -3.3", "b | 85.34 | 82.1 | -3.2"),
    "before minus after throughout": markdown(
        "m | base | pruned | Δ", *(f"{i} | 90 | {90 - i} | {i}" for i in range(1, 5))
    ),
    "rates in any order": markdown("m | rate | accuracy", "a | 0.9 | 80.0", "a | 0.5 | 85.0", "a | 0.7 | 83.0"),
    "an average over seeds": markdown("m | mean accuracy (%) | n", "a | 81.10 | 150"),
    "a spread behind it": markdown("m | accuracy (%) | n", "a | 81.10 ± 0.4 | 150"),
    "two figures in a cell": markdown("m | accuracy, frozen / refitted | drop", "a | 38.7 / 41.9 | 0.1 / 0.9"),
    "weights in brackets": markdown("m | magnitude from (weights)", "a | 0.5 % (3,489)", "b | 1 % (6,978)"),
    "a full row twice": markdown("m | accuracy", "a | 85.3", "a | 85.3"),
    "settings that tell rows apart": markdown("m | epochs | accuracy", "a | 10 | 85.3", "a | 20 | 86.3"),
    "compression of a rounded sparsity": markdown("m | sparsity (%) | compression", "a | 99 | 96", "b | 67 | 3"),
    "an interval that ends at the value": "m,value,low,high\na,1.0,0.8388,1.0\nb,0.0,0.0,0.1612\n",
}


@pytest.mark.parametrize("case", CLEAN)
def test_no_alarm_where_nothing_is_wrong(tmp_path: Path, case: str) -> None:
    assert faults(tmp_path, CLEAN[case], "t.md" if CLEAN[case].startswith("|") else "t.csv") == []


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", *sorted(ROOT.glob("examples/*/*.csv"))],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_own_tables_raise_no_alarm(path: Path) -> None:
    verdicts = check_tables(path, None)
    assert verdicts
    assert [fault for verdict in verdicts for outcome in verdict.outcomes for fault in outcome.faults] == []


@pytest.mark.parametrize("example", ["pruning", "default"])
def test_results_are_checked_row_by_row(example: str) -> None:
    """Every row that has k, and every row that has an interval, is checked."""
    path = ROOT / "examples" / example / "results.csv"
    (table,) = read_tables(path)
    (verdict,) = check_tables(path, None)
    checked = {outcome.check: outcome.checked for outcome in verdict.outcomes}
    at = table.headers.index
    assert checked[COUNT] == sum(bool(row.cells[at("k")]) for row in table.rows)
    bounded = sum(bool(row.cells[at("ci_low")]) for row in table.rows)
    assert checked[INSIDE] == bounded + sum(bool(row.cells[at("fpr_upper")]) for row in table.rows)


HEADERS = ["m", "accuracy (%)", "acc before", "acc after", "Δ", "n", "k", "value", "ci_low", "ci_high", "95 % CI",
           "sparsity", "nonzeros", "total", "compression", "error", "drop", "relative change", "weights", ""]  # fmt: skip
CONTENTS = ["", "a", "0", "1", "85.3", "-3.2", "85.3 [83, 87]", "[1, 2]", "3 of 4", "3/4 (75 %)", "1e5", "NaN", "11.2M",
            "5 ± 1", "7 of 0", "1e-400", "9e999", "\u00b2", "0.00000000001", "1/0", "|", "$", "\\\\", "&", '"']  # fmt: skip


@given(
    headers=st.lists(st.sampled_from(HEADERS), min_size=1, max_size=6),
    rows=st.lists(st.lists(st.sampled_from(CONTENTS), min_size=1, max_size=7), max_size=5),
    kind=st.sampled_from(["md", "csv", "tex"]),
    n=st.sampled_from([None, 1, 7, 1000]),
)
def test_any_table_gets_a_verdict(
    tmp_path_factory: pytest.TempPathFactory, headers: list[str], rows: list[list[str]], kind: str, n: int | None
) -> None:
    """Whatever stands in it: every fault names a cell of the table, and nothing is raised."""
    lines = [headers, *rows]
    path = tmp_path_factory.getbasetemp() / f"any.{kind}"
    path.write_text({
        "md": markdown(*(" | ".join(line) for line in lines)),
        "csv": "\n".join(",".join(line) for line in lines),
        "tex": "\\begin{tabular}{c}\n" + " \\\\ \\hline\n".join(" & ".join(line) for line in lines) + "\\end{tabular}",
    }[kind])  # fmt: skip
    for verdict in check_tables(path, n):
        for outcome in verdict.outcomes:
            assert outcome.checked or (outcome.reason and not outcome.faults)
            assert all(1 <= f.row <= verdict.rows and f.column in verdict.headers for f in outcome.faults)


@pytest.mark.parametrize("column", ["value", "k", "ci_low"])
def test_altered_results_are_found(tmp_path: Path, column: str) -> None:
    lines = (ROOT / "examples/default/results.csv").read_text().splitlines()
    header = lines[0].split(",")
    row = next(i for i, line in enumerate(lines) if ",accuracy,images," in line)
    cells_of = lines[row].split(",")
    value, k = float(cells_of[header.index("value")]), int(cells_of[header.index("k")])
    altered = {"value": f"{value + 0.001:g}", "k": str(k + 1), "ci_low": f"{value + 0.0006:g}"}
    cells_of[header.index(column)] = altered[column]
    found = faults(tmp_path, "\n".join([*lines[:row], ",".join(cells_of), *lines[row + 1 :]]) + "\n", "results.csv")
    assert {fault.line for _, fault in found} == {row + 1}


def test_n_of_the_command_line(tmp_path: Path) -> None:
    text = markdown("m | accuracy (%)", "a | 81.33", "b | 81.10")
    assert faults(tmp_path, text) == []
    assert [fault.row for _, fault in faults(tmp_path, text, n=150)] == [2]


@pytest.mark.parametrize(
    ("name", "text"), [("a.md", "No table.\n"), ("a.csv", "words\n"), ("a.tex", "\\section{x}\n"), ("a.csv", "")]
)
def test_no_table(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert check_tables(tmp_path / name, None) == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PrunemarkError, match=r"nothing\.md: cannot be read"):
        check_tables(tmp_path / "nothing.md", None)


def grim(share: Decimal, n: int) -> list[Fault]:
    table = Table(1, ["m", "accuracy (%)", "n"], [Line(2, ["a", str(share), str(n)])])
    return granularity(Grid(table, None)).faults


@given(k=st.integers(0, 400), n=st.integers(1, 400), decimals=st.integers(0, 4))
def test_exactly_the_possible_percentages_pass(k: int, n: int, decimals: int) -> None:
    """Whichever way its last digit was rounded, k of n passes; a number that no k of n rounds to does not."""
    unit, possible = Decimal(1).scaleb(-decimals), [Decimal(100 * i) / n for i in range(n + 1)]
    share = possible[min(k, n)]
    for rounding in ("ROUND_HALF_UP", "ROUND_HALF_EVEN", "ROUND_HALF_DOWN"):
        assert grim(share.quantize(unit, rounding=rounding), n) == []
    beside = (share + unit).quantize(unit)
    if beside <= 100:
        assert bool(grim(beside, n)) == all(abs(beside - p) > unit / 2 for p in possible)


@pytest.mark.parametrize(
    ("text", "value", "half"),
    [
        ("85.3", "85.3", "0.05"), ("**85.3**", "85.3", "0.05"), ("85.3 %", "85.3", "0.05"), ("\u22123.20", "-3.20", "0.005"),
        ("1,234,567", "1234567", "0.5"), ("11.2M", "11200000", "50000"), ("1.5e-3", "0.0015", "0.00005"), ("4.0x", "4.0", "0.05"),
        ("+.5", "0.5", "0.05"), ("71.2†", "71.2", "0.05"), ("85.3 ± 0.4", "85.3", "0.05"), ("85.3 [83.0, 87.4]", "85.3", "0.05"),
    ],
)  # fmt: skip
def test_numbers_are_read_with_what_their_digits_carry(text: str, value: str, half: str) -> None:
    found = table_cells.quantity(text)
    assert found is not None
    assert (found.value, found.half) == (Decimal(value), Decimal(half))


@pytest.mark.parametrize(
    "text", ["", "-", "\u2013", "n/a", "38.7 / 41.9", "64 (51)", "0.5 % (3,489)", "1,23", "2 of 2", "1.2.3"]
)
def test_what_is_no_single_number(text: str) -> None:
    assert table_cells.quantity(text) is None
