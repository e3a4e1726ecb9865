"""Every comparison and every quantifier on small tables, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.claims.schema import Claim
from prunemark.claims.verdicts import judge
from prunemark.errors import PrunemarkError
from prunemark.results.scores import share, single

S, R, N = "supported", "refuted", "not decidable"
ASKED = {
    "datasets": {"a": {}, "b": {}},
    "encoders": {"e": {}},
    "seeds": [0],
    "watermarks": {"none": {}, "mark": {}},
    "checks": {"digest": {}},
    "pruners": {"magnitude": {}, "random": {}},
    "structured": {"filters": {}},
    "alterations": {"noise": {}},
    "utility_drop": 0.05,
}


def cell(pruner: str, rate: str, *rows: dict[str, Any], dataset: str = "a", seed: int = 0, watermark: str = "none"):
    place = {"dataset": dataset, "encoder": "e", "seed": str(seed), "watermark": watermark, "key": "0"}
    return [{**place, "pruner": pruner, "rate": rate, "probe_dataset": dataset, **row} for row in rows]


def accuracy(k: int, n: int = 1000, head: str = "refit"):
    return share("accuracy", "images", k, n, head=head)


def change(value: float, low: float, high: float, p: float = 1.0, head: str = "refit"):
    ends = {"ci_low": low, "ci_high": high}
    return (
        single("accuracy_change", "difference", value, n=1000, head=head, **ends),
        single("mcnemar_p_holm", "p-value", p, head=head),
    )


def success(k: int, n: int = 20, metric: str = "AuthSR", check: str = "digest", **more: str):
    return share(metric, "keys", k, n, check=check, **more)


def size(value: float):
    return single("bitmask_bytes", "bytes", value)


# Accuracy 90 % before; magnitude keeps it, random loses it; one seed, one dataset.
TABLE = [
    *cell("original", "0", accuracy(900), share("error", "images", 100, 1000, head="refit"), success(20), size(1000.0)),
    *cell("magnitude", "0.1", accuracy(905), *change(0.005, -0.004, 0.014), success(0), size(900.0)),
    *cell("magnitude", "0.5", accuracy(895), *change(-0.005, -0.02, 0.01), success(1), size(500.0)),
    *cell("random", "0.1", accuracy(880), *change(-0.02, -0.04, -0.005, 0.001), success(10), size(900.0)),
    *cell("random", "0.5", accuracy(500), *change(-0.4, -0.43, -0.37, 1e-9), success(0), size(500.0)),
    *cell("filters", "0.1", accuracy(890), *change(-0.01, -0.02, -0.001, 0.2), success(0), size(950.0)),
    *cell("noise", "1", accuracy(100), *change(-0.8, -0.9, -0.7, 1e-9), success(0), size(1000.0)),
]
RATE = {"needs": {"rate": 1}}
UNHURT = {"metric": "accuracy", "head": "refit", "minus": "original", "at_least": -0.01}

CASES: dict[str, tuple[dict[str, Any], str, tuple[int, int, int, int]]] = {
    # The number itself: of 905, 895, 880, 890 in 1,000 the lower ends are 0.885 and less; 500 is far below.
    "every number above": ({"holds": [{"metric": "accuracy", "head": "refit", "above": 0.6}]}, R, (4, 1, 0, 0)),
    "some number below": (
        {"for": ["some pruner", "some rate"], "holds": [{"metric": "accuracy", "head": "refit", "below": 0.6}]},
        S, (1, 4, 0, 0),
    ),
    "a number inside the interval": (
        {"where": {"pruner": ["magnitude"]}, "holds": [{"metric": "accuracy", "head": "refit", "above": 0.9}]},
        N, (0, 0, 2, 0),
    ),
    # Against the original, by the paired interval of the table.
    "some rate without loss": ({"for": ["some pruner", "some rate"], "holds": [UNHURT]}, S, (1, 1, 3, 0)),
    "every rate without loss": ({"holds": [UNHURT]}, R, (1, 1, 3, 0)),
    "every rate of magnitude": ({"where": {"pruner": ["magnitude"]}, "holds": [UNHURT]}, N, (1, 0, 1, 0)),
    "up to a rate": ({"where": {"pruner": ["magnitude"], "rate": {"at_most": 0.1}}, "holds": [UNHURT]}, S, (1, 0, 0, 0)),
    "one rate": ({"where": {"rate": {"at_least": 0.1, "at_most": 0.1}}, "holds": [UNHURT]}, N, (1, 0, 2, 0)),
    "a kind": ({"where": {"kind": ["channels"]}, "holds": [UNHURT]}, N, (0, 0, 1, 0)),
    "errors are the complement": (
        {"where": {"pruner": ["random"]}, "holds": [{"metric": "error", "head": "refit", "minus": "original", "above": 0}]},
        S, (2, 0, 0, 0),
    ),
    "an alteration": (
        {"where": {"kind": ["alterations"]}, "holds": [UNHURT]},
        R, (0, 1, 0, 0),
    ),
    "the original itself": (
        {"where": {"kind": ["original"]}, "holds": [{"metric": "AuthSR", "above": 0.8}]},
        S, (1, 0, 0, 0),
    ),
    # Unpaired shares: 20 of 20 against 0, 1 and 0 of 20 differ by at least 0.73; random at 0.5 is beyond the gate.
    "less success than before": (
        {"holds": [{"metric": "AuthSR", "minus": "original", "below": 0}]},
        S, (4, 0, 0, 1),
    ),
    "slightly less": (
        {"holds": [{"metric": "AuthSR", "minus": "original", "below": 0, "at_least": -0.2}]},
        R, (0, 4, 0, 1),
    ),
    # 1 of 20 against 0 of 20: [-0.12, 0.24].
    "the previous rate": (
        {"where": {"pruner": ["magnitude"]}, "holds": [{"metric": "AuthSR", "minus": "previous rate", "at_most": -0.2}]},
        R, (0, 1, 0, 0),
    ),
    "falling with the rate": (
        {"where": {"pruner": ["magnitude"]}, "holds": [{"metric": "AuthSR", "minus": "previous rate", "below": 0}]},
        N, (0, 0, 1, 0),
    ),
    "sizes fall from rate to rate": (
        {"holds": [{"metric": "bitmask_bytes", "minus": "previous rate", "below": 0}]},
        S, (2, 0, 0, 0),
    ),
    # Another pruner at the same rate: 905 to 880 [-0.003, 0.052] is open, 895 to 500 is not.
    "another pruner, every rate": (
        {"where": {"pruner": ["magnitude"]}, "holds": [{"metric": "accuracy", "head": "refit", "minus": "random", "above": 0}]},
        N, (1, 0, 1, 0),
    ),
    "another pruner, some rate": (
        {"for": ["some rate"], "where": {"pruner": ["magnitude"]},
         "holds": [{"metric": "accuracy", "head": "refit", "minus": "random", "above": 0.3}]},
        S, (1, 1, 0, 0),
    ),
    # All conditions at one point: magnitude at 0.1 is smaller and unhurt; at half the size it is not known.
    "smaller and unhurt": (
        {"for": ["some pruner", "some rate"], "holds": [{"metric": "bitmask_bytes", "minus": "original", "below": 0}, UNHURT]},
        S, (1, 1, 3, 0),
    ),
    "half the size and unhurt": (
        {"for": ["some pruner", "some rate"], "holds": [{"metric": "bitmask_bytes", "at_most": 500}, UNHURT]},
        N, (0, 4, 1, 0),
    ),
    # Tests: significant and worse twice, else not significant.
    "significantly better somewhere": (
        {"for": ["some pruner", "some rate"], "holds": [{"metric": "accuracy", "head": "refit", "significantly": "better"}]},
        N, (0, 2, 3, 0),
    ),
    "significantly worse somewhere": (
        {"for": ["some pruner", "some rate"], "holds": [{"metric": "accuracy", "head": "refit", "significantly": "worse"}]},
        S, (2, 0, 3, 0),
    ),
    # The order of quantifiers: every pruner has a rate and every rate a pruner, but no pruner falls at every rate.
    "every pruner has some rate": (
        {"for": ["every pruner", "some rate"], "holds": [{"metric": "accuracy", "head": "refit", "above": 0.8}]},
        S, (4, 1, 0, 0),
    ),
    "at every rate some pruner": (
        {"for": ["every rate", "some pruner"], "where": {"kind": ["weights"]},
         "holds": [{"metric": "accuracy", "head": "refit", "above": 0.8}]},
        S, (3, 1, 0, 0),
    ),
    "some pruner at every rate": (
        {"for": ["some pruner", "every rate"], "holds": [{"metric": "accuracy", "head": "refit", "below": 0.6}]},
        R, (1, 4, 0, 0),
    ),
    # What a run does not have.
    "one dataset where two are needed": (
        {"for": ["some dataset"], "holds": [UNHURT], "needs": {"dataset": 2}}, N, (1, 1, 3, 0),
    ),
    "no robust scheme": ({"holds": [{"metric": "VerSR", "above": 0.5}], "needs": {"scheme": 1}}, N, (0, 0, 0, 0)),
    "two seeds": ({"holds": [UNHURT], "needs": {"seed": 2}}, N, (1, 1, 3, 0)),
    "all of it moot": (
        {"where": {"pruner": ["random"], "rate": {"above": 0.1}}, "holds": [{"metric": "AuthSR", "above": 0.5}]},
        N, (0, 0, 0, 1),
    ),
}  # fmt: skip


def decide(given: dict[str, Any], rows=None, **asked: Any) -> dict[str, Any]:
    claim = Claim.model_validate({"says": "A sentence.", **given})
    return judge({"one": claim}, TABLE if rows is None else rows, ASKED | asked)["claims"][0]


@pytest.mark.parametrize("name", CASES)
def test_case_by_hand(name):
    given_claim, verdict, (supported, refuted, open_, moot) = CASES[name]
    found = decide(given_claim)
    assert found["points"] == {S: supported, R: refuted, N: open_, "moot": moot, "not compared": 0}
    assert found["verdict"] == verdict
    assert bool(found["needed"]) == (verdict == N)


# Magnitude has a rate that random was not measured at.
LONE = [*TABLE, *cell("magnitude", "0.9", accuracy(890), *change(-0.01, -0.02, -0.001), success(0), size(100.0))]


@pytest.mark.parametrize(
    ("quantifier", "bounds", "verdict", "counts"),
    [
        ("every rate", {"above": -0.1}, N, (2, 0)),
        ("every rate", {"above": 0.3}, R, (1, 1)),
        ("some rate", {"above": 0.3}, S, (1, 1)),
        ("some rate", {"above": 0.9}, N, (0, 2)),
    ],
)
def test_a_point_that_cannot_be_compared_is_counted_and_as_open_as_any(quantifier, bounds, verdict, counts):
    holds = [{"metric": "accuracy", "head": "refit", "minus": "random", **bounds}]
    found = decide({"for": [quantifier], "where": {"pruner": ["magnitude"]}, "holds": holds}, LONE)
    assert found["verdict"] == verdict
    assert found["points"] == {S: counts[0], R: counts[1], N: 0, "moot": 0, "not compared": 1}
    assert found["needed"] == ("figures where none was measured (1 point)" if verdict == N else "")


@pytest.mark.parametrize("minus", ["previous rate", "random"])
def test_what_has_no_comparison_by_definition_is_no_point(minus):
    """The smallest rate has no previous one, and a pruner is not compared with itself."""
    where = {"pruner": ["random"] if minus == "random" else ["magnitude", "random"], "kind": ["weights"]}
    holds = [{"metric": "bitmask_bytes", "minus": minus, "below": 0}]
    found = decide({"where": where, "holds": holds, "needs": {"rate": 1}}, LONE)
    assert found["points"]["not compared"] == 0
    assert found["points"][S] == (3 if minus == "previous rate" else 0)


def test_figures_name_their_rows_their_interval_and_what_decided():
    found = decide({"for": ["some rate"], "where": {"pruner": ["magnitude"]}, "holds": [UNHURT]})
    (point,) = found["decisive"]
    assert point["at"] == {
        "dataset": "a", "encoder": "e", "watermark": "none", "probe": "a", "pruner": "magnitude", "rate": "0.1",
    }  # fmt: skip
    (figure,) = point["figures"]
    assert (figure["value"], figure["low"], figure["high"]) == (0.005, -0.004, 0.014)
    assert figure["test"] == "Newcombe (paired)"
    (line,) = figure["lines"]
    assert TABLE[line - 2]["metric"] == "accuracy_change"
    assert (TABLE[line - 2]["pruner"], TABLE[line - 2]["rate"]) == ("magnitude", "0.1")


def test_where_one_point_decides_the_clearest_is_first_and_where_all_do_the_weakest():
    above = [{"metric": "accuracy", "head": "refit", "above": 0.6}]
    some = decide({"for": ["some pruner", "some rate"], "holds": above})["decisive"]
    assert (some[0]["at"]["pruner"], some[0]["at"]["rate"]) == ("magnitude", "0.1")
    all_ = decide({"where": {"rate": {"below": 0.5}}, "holds": above})["decisive"]
    assert (all_[0]["at"]["pruner"], all_[0]["at"]["rate"]) == ("random", "0.1")


def test_what_is_needed_scales_with_the_root_of_n():
    """-0.005 in [-0.02, 0.01]: the bound -0.01 lies a third of the way down, so 9 times the 1,000 images."""
    found = decide({"where": {"pruner": ["magnitude"], "rate": {"above": 0.1}}, "holds": [UNHURT]})
    assert found["needed"] == "about 9,000 images per encoder (here 1,000)"


def test_an_open_figure_needs_more_than_there_is():
    """1 of 1 against 0 of 1 bounds the difference by 0.12 from above; 2 of 2 against 0 of 2 by -0.07."""
    rows = [
        *cell("original", "0", accuracy(900), success(1, 1)),
        *cell("magnitude", "0.1", accuracy(900), success(0, 1)),
    ]
    found = decide({"holds": [{"metric": "AuthSR", "minus": "original", "below": 0}]}, rows)
    assert (found["verdict"], found["needed"]) == (N, "about 2 keys per encoder (here 1)")


def test_schemes_that_see_labels_are_taken_through_the_frozen_head_or_the_one_named():
    rows = [
        *cell("original", "0", accuracy(900), watermark="mark"),
        *cell("magnitude", "0.1", accuracy(900), *(
            success(k, metric="VerSR", check="mark", head=head) for head, k in (("frozen", 20), ("refit", 0))
        ), watermark="mark"),
    ]  # fmt: skip
    assert decide({"holds": [{"metric": "VerSR", "above": 0.5}]}, rows)["verdict"] == S
    found = decide({"holds": [{"metric": "VerSR", "head": "refit", "above": 0.5}]}, rows)
    assert found["verdict"] == R
    assert found["decisive"][0]["at"]["scheme"] == "mark"
    assert found["decisive"][0]["figures"][0]["what"] == "VerSR (refitted head) of mark"


def test_seeds_that_disagree_decide_nothing_by_test():
    rows = [
        *(r for seed in (0, 1) for r in cell("original", "0", accuracy(900), seed=seed)),
        *cell("magnitude", "0.1", accuracy(930), *change(0.03, 0.01, 0.05, 0.01), seed=0),
        *cell("magnitude", "0.1", accuracy(905), *change(0.005, -0.01, 0.02, 1.0), seed=1),
    ]
    better = {"holds": [{"metric": "accuracy", "head": "refit", "significantly": "better"}]}
    assert decide(better, rows)["verdict"] == N
    assert decide(better, [row for row in rows if row["seed"] == "0"])["verdict"] == S


def test_two_datasets_answer_for_some_of_them():
    rows = [
        row
        for dataset, k in (("a", 200), ("b", 180))
        for row in (
            *cell("original", "0", accuracy(900), success(200, 200, "VerSR"), dataset=dataset),
            *cell("magnitude", "0.1", accuracy(900), success(k, 200, "VerSR"), dataset=dataset),
        )
    ]
    lower = {"holds": [{"metric": "VerSR", "minus": "original", "below": 0, "at_least": -0.2}], "needs": {"dataset": 2}}
    assert decide({"for": ["some dataset"], **lower}, rows)["verdict"] == S
    assert decide(lower, rows)["verdict"] == N


@pytest.mark.parametrize(
    ("given_claim", "message"),
    [
        ({"holds": [{"metric": "VerSR", "above": 0.5}]}, "no row of the results is what it speaks of"),
        ({"holds": [{"metric": "acuracy", "above": 0.5}]}, "metric: 'acuracy' is not one of AuthSR, "),
        ({"holds": [{"metric": "accuracy", "above": 0.5}]}, "head: missing: accuracy is measured through refit"),
        ({"holds": [{"metric": "accuracy", "head": "knn", "above": 0.5}]}, "head: 'knn' is not allowed: "),
        ({"holds": [{"metric": "mcnemar_p_holm", "head": "refit", "below": 0.05}]}, "p-values are not averaged"),
        ({"where": {"rate": {"above": 0.9}}, "holds": [UNHURT]}, "no row of the results is what it speaks of"),
        # One point, random at 0.5, is beyond the gate, and has no more of this than the others.
        ({"holds": [{"metric": "AuthSR", "head": "knn", "above": 0.5}]}, "no row of the results is what it speaks of"),
        (
            {
                "holds": [
                    {"metric": "AuthSR", "above": 0},
                    {"metric": "accuracy_change", "head": "refit", "minus": "original", "above": 0},
                ]
            },
            "no row of the results is what it speaks of",
        ),
    ],
)
def test_a_claim_without_data_is_an_error_of_one_line(given_claim, message):
    with pytest.raises(PrunemarkError) as error:
        decide(given_claim)
    assert str(error.value).startswith("claims.yaml: one: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(st.integers(0, 40), st.integers(1, 12), st.floats(0.02, 0.98), st.sampled_from(["above", "below"]))
def test_more_trials_of_the_same_share_never_overturn_a_verdict(k, times, bound, side):
    """Wilson's interval of the same share is narrower with more trials: an open claim may be decided, no other changes."""
    rows = [
        [
            *cell("original", "0", accuracy(900)),
            *cell("magnitude", "0.1", accuracy(900), success(k * factor, 40 * factor)),
        ]
        for factor in (1, times)
    ]
    before, after = (decide({"holds": [{"metric": "AuthSR", side: bound}]}, table)["verdict"] for table in rows)
    assert before in (N, after)
    if after != N:
        assert (after == S) == ((k / 40 > bound) if side == "above" else (k / 40 < bound))


@given(st.permutations(range(len(TABLE))))
def test_verdicts_do_not_depend_on_the_order_of_the_rows(order):
    rows = [TABLE[i] for i in order]
    for name in (
        "some rate without loss",
        "the previous rate",
        "less success than before",
        "significantly worse somewhere",
    ):
        given_claim, verdict, _ = CASES[name]
        assert decide(given_claim, rows)["verdict"] == verdict
