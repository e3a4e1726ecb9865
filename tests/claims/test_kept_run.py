"""The shipped claims on the run kept under examples/pruning, against counts made from its table by other means."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from prunemark.claims.file import read_claims
from prunemark.claims.schema import Claim
from prunemark.claims.verdicts import judge

CLAIMS = Path(__file__).parents[2] / "claims.yaml"
S, R, N = "supported", "refuted", "not decidable"
# The README's section "What that says", sentence by sentence.
VERDICTS = {
    "size-without-loss": S,  # magnitude, lamp and fisher keep accuracy at small rates; at random none does
    "near-zero-error": R,  # "Nowhere: 58 % of the predictions are wrong before pruning."
    "authentication-hardly-affected": R,  # "from 40 of 40 keys to 0 of 40, for every criterion at the smallest rate"
    "verification-slightly-lower": N,  # "This run has one [dataset]."
    "higher-rates-lower-authentication": R,  # "There is nothing left to lower: it is 0 from 0.1 on."
    "pruning-is-noticed": S,
    "accuracy-to-one-half": S,
    "fewer-incorrect-predictions": N,  # none is significantly better, and none can be excluded at every rate
}
A, B = "magnitude", "magnitude-2-4"
Cells = dict[tuple[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def judged(kept_rows, kept_params) -> dict[str, dict[str, Any]]:
    found = judge(read_claims(CLAIMS, kept_params), kept_rows, kept_params)
    return {claim["name"]: claim for claim in found["claims"]}


@pytest.fixture(scope="module")
def cells(kept_rows) -> dict[tuple[str, str, str], Cells]:
    """Rows by metric, head and check, then by pruner and rate."""
    found: dict[tuple[str, str, str], Cells] = defaultdict(lambda: defaultdict(list))
    for row in kept_rows:
        if row["watermark"] == "uchida":
            key = (row["metric"], row.get("head", ""), row.get("check", ""))
            found[key][row["pruner"], row["rate"]].append(row)
    return found


@pytest.fixture(scope="module")
def useful(cells, kept_params) -> set[tuple[str, str]]:
    """Pruner and rate where a refitted head has not lost more than the gate allows."""
    refit = cells["accuracy", "refit", ""]
    mean = {place: sum(row["value"] for row in rows) / len(rows) for place, rows in refit.items()}
    return {
        place for place, value in mean.items() if mean["original", "0"] - value <= kept_params["utility_drop"] + 1e-9
    }


def test_verdicts_are_the_readmes(judged):
    assert {name: claim["verdict"] for name, claim in judged.items()} == VERDICTS


def test_rates_that_another_pruner_does_not_have_are_counted(cells, kept_rows, kept_params):
    """2:4 has one rate: "at every rate" cannot rest on that one."""
    rates = {pruner: {rate for name, rate in cells["accuracy", "refit", ""] if name == pruner} for pruner in (A, B)}
    given = {"says": "Hardly worse than 2:4.", "for": ["every pruner", "every rate"], "where": {"pruner": [A]}}
    holds = [{"metric": "accuracy", "head": "refit", "minus": B, "above": -0.1}]
    claim = Claim.model_validate(given | {"holds": holds})
    (found,) = judge({"one": claim}, kept_rows, kept_params)["claims"]
    assert (found["verdict"], found["points"][S]) == (N, len(rates[A] & rates[B]))
    assert found["points"]["not compared"] == len(rates[A] - rates[B]) == 7


def test_points_without_loss_are_those_of_both_seeds_intervals(judged, cells):
    changes, bytes_ = cells["accuracy_change", "refit", ""], cells["bitmask_bytes", "", ""]
    dense = min(row["value"] for row in bytes_["original", "0"])
    kept = {p for p, rows in changes.items() if all(row["ci_low"] >= -0.01 for row in rows)}
    lost = {p for p, rows in changes.items() if all(row["ci_high"] < -0.01 for row in rows)}
    smaller = {p for p, rows in bytes_.items() if max(row["value"] for row in rows) < dense}
    points = judged["size-without-loss"]["points"]
    assert points[S] == len(kept & smaller)
    assert points[R] == len(lost | (set(changes) - smaller))
    assert points[S] + points[R] + points[N] == 175
    assert not [place for place in kept if place[0] == "random"]
    up_to = {p for p in kept if p[0] == "fisher" and float(p[1]) <= 0.5}
    assert len(up_to) == 3


def test_no_error_is_near_zero(judged, cells):
    errors = cells["error", "refit", ""]
    assert min(row["ci_low"] for rows in errors.values() for row in rows) > 0.5
    assert judged["near-zero-error"]["points"][R] == len(errors) - 1  # all but the original


def test_authentication_ends_at_once(judged, cells, useful):
    success = cells["AuthSR", "", "feature-digest"]
    after = {place: sum(row["k"] for row in rows) for place, rows in success.items() if place[0] != "original"}
    assert sum(row["k"] for row in success["original", "0"]) == 40
    assert set(after.values()) == {0}
    counted = len(useful & set(after))
    for name, verdict in (("authentication-hardly-affected", R), ("pruning-is-noticed", S)):
        assert judged[name]["points"] == {S: 0, R: 0, N: 0, "moot": 175 - counted, "not compared": 0} | {
            verdict: counted
        }
    smallest = {place[0]: min(float(rate) for pruner, rate in after if pruner == place[0]) for place in after}
    later = [place for place in useful & set(after) if float(place[1]) > smallest[place[0]]]
    assert judged["higher-rates-lower-authentication"]["points"][R] == len(later)


def test_figures_are_those_of_their_lines(judged, kept_rows):
    for claim in judged.values():
        for point in claim["decisive"]:
            for figure in point["figures"]:
                rows = [kept_rows[line - 2] for line in figure["lines"]]
                here = [
                    row for row in rows if (row["pruner"], row["rate"]) == (point["at"]["pruner"], point["at"]["rate"])
                ]
                base = [row for row in rows if row not in here]
                value = sum(row["value"] for row in here) / len(here)
                value -= sum(row["value"] for row in base) / len(base) if base else 0
                assert figure["value"] == pytest.approx(value, abs=1e-9)
                assert {row["seed"] for row in here} == {"0", "1"}


def test_significant_changes_are_those_the_readme_counts(judged, cells):
    tests, changes = cells["mcnemar_p_holm", "refit", ""], cells["accuracy_change", "refit", ""]
    worse = {
        place: sum(p["value"] < 0.05 and change["value"] < 0 for p, change in zip(rows, changes[place], strict=True))
        for place, rows in tests.items()
    }
    assert sum(worse.values()) == 153
    points = judged["fewer-incorrect-predictions"]["points"]
    assert points == {
        S: 0,
        R: sum(count > 0 for count in worse.values()),
        N: sum(not n for n in worse.values()),
        "moot": 0,
        "not compared": 0,
    }
