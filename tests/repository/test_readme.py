"""The README's main tables are those of the run kept under examples/pruning, figure by figure."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from prunemark.plan.params_file import read_params

ROOT = Path(__file__).parents[2]
RUN = ROOT / "examples/pruning"
GATE = read_params(RUN / "params.yaml").utility_drop
Table = dict[tuple[str, ...], list[dict[str, str]]]


@pytest.fixture(scope="module")
def rows() -> Table:
    found: Table = {}
    with (RUN / "results.csv").open() as file:
        for row in csv.DictReader(file):
            place = (row["pruner"], row["rate"], row["metric"], row["head"], row["check"])
            if row["watermark"] == "uchida":
                found.setdefault(place, []).append(row)
    return found


@pytest.fixture(scope="module")
def knees() -> dict[tuple[str, str], str]:
    with (RUN / "landmarks.csv").open() as file:
        return {(row["pruner"], row["head"]): row["value"] for row in csv.DictReader(file) if row["what"] == "knee"}


def mean(found: list[dict[str, str]], column: str = "value") -> float:
    return sum(float(row[column]) for row in found) / len(found)


def percent(rows: Table, pruner: str, rate: str, metric: str) -> str:
    """Mean over seeds in percent, through the frozen and the refitted head; a dash where the rate was not asked for."""
    cells = [rows.get((pruner, rate, metric, head, "")) for head in ("frozen", "refit")]
    return " / ".join("-" if cell is None else f"{100 * mean(cell):.1f}" for cell in cells) if any(cells) else "-"


def success(rows: Table, pruner: str, rate: str, metric: str, check: str) -> str:
    """Successes of trials over seeds and keys."""
    found = rows.get((pruner, rate, metric, "", check))
    if found is None:
        return "-"
    return f"{sum(int(row['k']) for row in found)} of {sum(int(row['n']) for row in found)}"


def smallest(rows: Table, pruner: str) -> str:
    return min((rate for name, rate, *_ in rows if name == pruner), key=float)


def bits(rows: Table, pruner: str, rate: str) -> str:
    """How many encoders verify, the mean of their matching bits, and whether the encoder is beyond the utility gate."""
    found = rows.get((pruner, rate, "VerSR", "", "uchida"))
    if found is None:
        return "-"
    left = mean(rows["original", "0", "accuracy", "refit", ""]) - mean(rows[pruner, rate, "accuracy", "refit", ""])
    moot = ", moot" if left > GATE else ""
    return f"{success(rows, pruner, rate, 'VerSR', 'uchida')} ({mean(found, 'statistic'):g}{moot})"


def mask_line(rows: Table, knees: dict[tuple[str, str], str], pruner: str) -> str:
    cells = [
        f"`{pruner}`",
        percent(rows, pruner, "0.5", "accuracy"),
        percent(rows, pruner, "0.9", "accuracy"),
        " / ".join(f"{float(knees[pruner, head]):g}" for head in ("frozen", "refit")),
        success(rows, pruner, smallest(rows, pruner), "AuthSR", "feature-digest"),
        bits(rows, pruner, "0.9"),
        success(rows, pruner, "0.5", "VerSR", "procrustes"),
        success(rows, pruner, "0.9", "VerSR", "procrustes"),
    ]
    return f"| {' | '.join(cells)} |"


def channel_line(rows: Table, knees: dict[tuple[str, str], str], pruner: str) -> str:
    dense = mean(rows["original", "0", "macs", "", ""])
    work = [rows.get((pruner, rate, "macs", "", "")) for rate in ("0.2", "0.5")]
    cells = [
        f"`{pruner}`",
        percent(rows, pruner, "0.2", "accuracy"),
        percent(rows, pruner, "0.5", "accuracy"),
        " / ".join(f"{float(knees[pruner, head]):g}" for head in ("frozen", "refit")),
        " / ".join("-" if found is None else f"{100 * mean(found) / dense:.0f} %" for found in work),
        success(rows, pruner, smallest(rows, pruner), "AuthSR", "feature-digest"),
        bits(rows, pruner, "0.5"),
        success(rows, pruner, "0.2", "VerSR", "procrustes"),
    ]
    return f"| {' | '.join(cells)} |"


def tables(rows: Table, knees: dict[tuple[str, str], str]) -> list[str]:
    """The lines of both tables, in the order of params.yaml."""
    used = list(dict.fromkeys(pruner for pruner, *_ in rows if pruner != "original"))
    channels = {pruner for pruner, _, metric, *_ in rows if metric == "channel_sparsity"}
    return [(channel_line if pruner in channels else mask_line)(rows, knees, pruner) for pruner in used]


def test_main_tables_are_those_of_the_example(rows: Table, knees: dict[tuple[str, str], str]) -> None:
    expected = tables(rows, knees)
    assert len(expected) == 25
    text = (ROOT / "README.md").read_text().splitlines()
    assert [line for line in expected if line not in text] == []


def test_significant_changes_are_those_of_the_example(rows: Table) -> None:
    """Changes of accuracy after Holm's correction at 5 %, by head and direction, as the README counts them."""
    counted = {(head, better): 0 for head in ("frozen", "refit", "knn") for better in (True, False)}
    for (pruner, rate, metric, head, check), found in rows.items():
        if metric == "mcnemar_p_holm":
            changes = {row["seed"]: float(row["value"]) for row in rows[pruner, rate, "accuracy_change", head, check]}
            for row in found:
                counted[head, changes[row["seed"]] > 0] += float(row["value"]) < 0.05
    text = " ".join((ROOT / "README.md").read_text().split())
    assert counted["frozen", True] == counted["refit", True] == 0
    frozen, refitted = counted["frozen", False], counted["refit", False]
    assert f"{frozen} are significantly worse through the frozen head and {refitted} through the refitted one" in text
    better, worse = counted["knn", True], counted["knn", False]
    assert f"gets better for {better}, by 0.7 points at most, and worse for {worse}." in text


def test_magnitude_is_within_a_point_by_intervals_as_far_as_the_readme_says(rows: Table) -> None:
    """Every seed's paired interval, through the refitted head, ends above -1 point up to that rate, and not at the next."""
    low = {
        float(rate): min(float(row["ci_low"]) for row in found)
        for (pruner, rate, metric, head, _), found in rows.items()
        if (pruner, metric, head) == ("magnitude", "accuracy_change", "refit")
    }
    first = min(rate for rate in low if low[rate] < -0.01)
    held = max(rate for rate in low if rate < first)
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"encoders, magnitude holds to {held:g} through a refitted head" in text


def default_line(found: Table, rate: str) -> str:
    """A line of the default run's table: magnitude / random, one figure where both are the original."""
    pruners = ("original",) if rate == "0" else ("magnitude", "random")

    def cell(watermark: str, metric: str, head: str = "", check: str = "") -> list[dict[str, str]]:
        return [found[watermark, pruner, rate, metric, head, check][0] for pruner in pruners]

    def shares(*place: str) -> str:
        return " / ".join(f"{Decimal(row['value']) * 100:.1f}" for row in cell("none", *place))

    def trials(watermark: str, metric: str, check: str) -> str:
        marked = [
            f" ({float(row['statistic']):g})" if metric == "VerSR" else "" for row in cell(watermark, metric, "", check)
        ]
        return " / ".join(
            f"{row['k']} of {row['n']}{of}" for row, of in zip(cell(watermark, metric, "", check), marked, strict=True)
        )

    agreement = "100" if rate == "0" else shares("agreement", "frozen")
    heads = (shares("accuracy", "frozen"), shares("accuracy", "refit"))
    schemes = (
        trials("reversible", "AuthSR", "reversible"),
        trials("none", "AuthSR", "feature-digest"),
        trials("uchida", "VerSR", "uchida"),
    )
    return f"| {' | '.join((rate, *heads, agreement, *schemes))} |"


def test_the_table_of_the_default_run_is_that_of_its_example() -> None:
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    with (ROOT / "examples/default/results.csv").open() as file:
        for row in csv.DictReader(file):
            place = tuple(row[name] for name in ("watermark", "pruner", "rate", "metric", "head", "check"))
            found.setdefault(place, []).append(row)
    rates = sorted({place[2] for place in found}, key=float)
    text = (ROOT / "README.md").read_text().splitlines()
    expected = [default_line(found, rate) for rate in rates]
    assert [line for line in expected if line not in text] == []
    lefts = [row for row in found["none", "random", "0.99", "features_left_out", "refit", ""]]
    said = f"{lefts[0]['value']} of {lefts[0]['n']} features"
    assert said in " ".join((ROOT / "README.md").read_text().split())
