"""The long table and its summary, against examples by hand."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from prunemark.point import Point
from prunemark.results.columns import COLUMNS
from prunemark.results.scores import share, single
from prunemark.results.table import CELL, Summary, metrics, pruners, summarise, table, to_csv

HEADER = (
    "schema,dataset,encoder,seed,watermark,key,check,pruner,rate,probe_dataset,head,metric,unit,value,k,n,"
    "ci_low,ci_high,statistic,threshold,fpr,fpr_upper"
)


def cell(**changes: str) -> Point:
    return Point("cifar", "r18", "0", "uchida", "0", "magnitude", "0.5", "cifar")._replace(**changes)


def accuracy(k: int, n: int = 100) -> list[dict[str, Any]]:
    return [share("accuracy", "images", k, n, head="frozen")]


def verified(k: int, n: int, **more: Any) -> list[dict[str, Any]]:
    return [share("VerSR", "keys", k, n, check="uchida", **more)]


def only(scored: list[tuple[Point, list[dict[str, Any]]]]) -> Summary:
    (found,) = summarise(table(scored))
    return found


def test_the_columns_are_those_of_the_design() -> None:
    assert ",".join(COLUMNS) == HEADER
    assert to_csv([]) == HEADER + "\n"


def test_one_row_per_cell_metric_and_unit() -> None:
    rows = table([(cell(), accuracy(60)), (cell(rate="0.9"), [*accuracy(20), single("macs", "m", 7)])])
    text = to_csv(rows)
    assert text.splitlines()[1] == (
        "1,cifar,r18,0,uchida,0,,magnitude,0.5,cifar,frozen,accuracy,images,0.6,60,100,"
        f"{rows[0]['ci_low']},{rows[0]['ci_high']},,,,"
    )
    read = list(csv.DictReader(io.StringIO(text)))
    assert [(row["rate"], row["metric"], row["value"]) for row in read] == [
        ("0.5", "accuracy", "0.6"), ("0.9", "accuracy", "0.2"), ("0.9", "macs", "7"),
    ]  # fmt: skip
    assert read[2]["k"] == read[2]["ci_low"] == read[2]["head"] == ""
    assert "\r" not in text


def test_a_value_that_is_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        to_csv(table([(cell(), [{"metric": "accuracy", "extra": 1}])]))


def test_a_single_seed_keeps_its_own_trials_and_interval() -> None:
    found = only([(cell(), accuracy(60))])
    theirs = binomtest(60, 100).proportion_ci(method="wilson")
    assert (found.value, found.k, found.n, found.interval) == (0.6, 60, 100, "wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert (found.seeds, found.encoders, found.unit) == (1, 1, "images")


def test_a_single_measured_number_has_no_interval() -> None:
    found = only([(cell(), [single("feature_cosine", "mean over images", 0.25, n=100)])])
    assert (found.value, found.low, found.high, found.interval) == (0.25, None, None, "none")


def test_below_five_seeds_the_mean_and_the_range() -> None:
    found = only([(cell(seed=str(i)), accuracy(k)) for i, k in enumerate((60, 70, 80, 50))])
    assert (found.value, found.low, found.high, found.interval) == (0.65, 0.5, 0.8, "range")
    assert (found.k, found.n, found.seeds, found.encoders) == (None, None, 4, 4)


def test_from_five_seeds_on_a_bootstrap_of_the_mean() -> None:
    shares = (60, 70, 80, 50, 65, 62)
    found = only([(cell(seed=str(i)), accuracy(k)) for i, k in enumerate(shares)])
    assert found.interval == "bootstrap"
    assert found.value == pytest.approx(np.mean(shares) / 100)
    draws = np.random.default_rng(123).choice(np.array(shares) / 100, (200_000, 6)).mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, (0.025, 0.975))), abs=0.005)
    assert found == only([(cell(seed=str(i)), accuracy(k)) for i, k in enumerate(shares)])


def test_marked_copies_of_one_encoder_count_as_one_seed() -> None:
    """Seed 0 with keys at 0.5 and 0.7, seed 1 at 0.8: the mean of 0.6 and 0.8, not of three."""
    scored = [(cell(), accuracy(50)), (cell(key="1"), accuracy(70)), (cell(seed="1"), accuracy(80))]
    found = only(scored)
    assert (found.value, found.low, found.high, found.interval) == (0.7, 0.6, 0.8, "range")
    assert (found.seeds, found.encoders) == (2, 3)


def test_keys_of_one_seed_are_pooled_with_wilson() -> None:
    found = only([(cell(key=str(i)), verified(k, n)) for i, (k, n) in enumerate(((20, 20), (10, 20), (3, 20)))])
    theirs = binomtest(33, 60).proportion_ci(method="wilson")
    assert (found.value, found.k, found.n, found.interval) == (0.55, 33, 60, "wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert (found.seeds, found.encoders) == (1, 3)


def test_keys_of_few_seeds_have_the_range_of_their_seeds() -> None:
    """Seed 0: 20 and 10 of 20, so 0.75; seed 1: 3 of 20, so 0.15. Neither end is Wilson's of 33 of 60."""
    scored = [(cell(), verified(20, 20)), (cell(key="1"), verified(10, 20)), (cell(seed="1"), verified(3, 20))]
    found = only(scored)
    assert (found.value, found.low, found.high, found.interval) == (0.45, 0.15, 0.75, "range")
    assert (found.k, found.n, found.seeds, found.encoders) == (33, 60, 2, 3)


def test_keys_of_five_seeds_are_drawn_with_their_seed() -> None:
    """Keys within a seed agree, so that 100 keys are worth 5 draws: the interval is that of 5 values, not of 100."""
    shares = (20, 20, 0, 20, 10)
    scored = [(cell(seed=str(s), key=str(i)), verified(k, 20)) for s, k in enumerate(shares) for i in range(5)]
    found = only(scored)
    assert (found.value, found.k, found.n, found.interval) == (0.7, 350, 500, "bootstrap")
    draws = np.random.default_rng(9).choice(np.array(shares) / 20, (200_000, 5)).mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, (0.025, 0.975))), abs=0.01)


def test_a_paired_difference_keeps_its_own_interval() -> None:
    row = single("accuracy_change", "difference", -0.1, n=100, ci_low=-0.2, ci_high=0.05, head="frozen")
    found = only([(cell(), [row])])
    assert (found.value, found.low, found.high, found.interval, found.k) == (-0.1, -0.2, 0.05, "newcombe", None)


def test_holm_runs_over_the_rates_of_one_pruner_alone() -> None:
    def tested(p: float, head: str = "frozen") -> list[dict[str, Any]]:
        return [single("mcnemar_p", "p-value", p, head=head)]

    scored = [
        (cell(rate="0.1"), tested(0.01)),
        (cell(rate="0.5"), tested(0.004)),
        (cell(rate="0.9"), tested(0.02)),
        (cell(rate="0.1", pruner="random"), tested(0.03)),
        (cell(rate="0.5", pruner="random"), [*tested(0.5), *tested(0.9, "refit")]),
        (cell(rate="0.1", seed="1"), tested(0.01)),
        (cell(rate="0.1", key="1"), tested(0.02)),
        (cell(rate="0.1", probe="svhn"), tested(0.03)),
    ]
    rows = table(scored)
    found = [row["value"] for row in rows if row["metric"] == "mcnemar_p_holm"]
    assert found == pytest.approx([0.02, 0.012, 0.02, 0.06, 0.5, 0.9, 0.01, 0.02, 0.03])
    for before, row in zip(rows, rows[1:], strict=False):
        if row["metric"] == "mcnemar_p_holm":
            assert before["metric"] == "mcnemar_p"
            assert {name: row[name] for name in (*CELL, "head")} == {name: before[name] for name in (*CELL, "head")}


def test_pruners_are_those_of_weights_and_then_of_channels() -> None:
    weights, channels = {"magnitude": {"scope": "global"}}, {"l1": {"rates": [0.5]}}
    assert list(pruners({"pruners": weights})) == ["magnitude"]
    assert pruners({"pruners": weights, "structured": channels}) == weights | channels


def test_statistics_are_averaged_and_the_worst_false_positive_rate_is_kept() -> None:
    numbers = [
        {"statistic": 0.5, "threshold": 0.8, "fpr": 0.0, "fpr_upper": 0.6},
        {"statistic": 1.0, "threshold": 0.9, "fpr": 0.5, "fpr_upper": 0.9},
    ]
    found = only([(cell(seed=str(i)), verified(1, 1, **more)) for i, more in enumerate(numbers)])
    assert (found.statistic, found.threshold, found.fpr, found.fpr_upper) == (0.75, 0.85, 0.5, 0.9)
    bare = only([(cell(), verified(1, 1))])
    assert (bare.statistic, bare.threshold, bare.fpr, bare.fpr_upper) == (None, None, None, None)


@pytest.mark.parametrize("name", [name for name in Point._fields if name not in ("seed", "key")])
def test_nothing_is_pooled_over(name: str) -> None:
    found = summarise(table([(cell(), verified(1, 2)), (cell(**{name: "another"}), verified(2, 2))]))
    assert [(point.k, point.n) for point in found] == [(1, 2), (2, 2)]
    assert [getattr(point.measure.point, name) == "another" for point in found] == [False, True]


def test_heads_and_checks_stay_apart() -> None:
    rows = [share("accuracy", "images", 1, 2, head=head) for head in ("frozen", "knn")]
    rows += [share("AuthSR", "keys", 1, 2, check=check) for check in ("sha256", "digest")]
    assert len(summarise(table([(cell(), rows)]))) == 4


def test_metrics_are_a_tree_by_place() -> None:
    scored = [
        (cell(), [*accuracy(60), *verified(1, 2)]),
        (cell(seed="1"), [*accuracy(80), *verified(2, 2)]),
        (cell(pruner="random", rate="0.9"), [single("macs", "m", 7)]),
    ]
    assert metrics(summarise(table(scored))) == {
        "cifar": {"r18": {"uchida": {
            "magnitude": {"0.5": {"accuracy_frozen": 0.7, "VerSR_uchida": 0.75}},
            "random": {"0.9": {"macs": 7}},
        }}}
    }  # fmt: skip
