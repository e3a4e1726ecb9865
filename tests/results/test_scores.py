"""Rows of the results table against counts by hand and scipy's intervals."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from prunemark.metrics.intervals import paired_difference
from prunemark.metrics.similarity import cka_parts
from prunemark.results.columns import COLUMNS
from prunemark.results.scores import (
    CheckTrials,
    accuracy_rows,
    agreement_rows,
    check_rows,
    classes_right,
    detail_rows,
    matrix,
    rounded,
    share,
    single,
)

LABELS = np.array([0, 0, 1, 1, 2, 2, 2, 0, 1, 2], dtype=np.int16)
BEFORE = np.array([0, 0, 1, 2, 2, 2, 0, 0, 1, 1], dtype=np.int16)
NOW = np.array([0, 1, 1, 1, 2, 0, 0, 0, 2, 2], dtype=np.int16)


def samples() -> dict[str, np.ndarray]:
    return {
        "labels": LABELS,
        "predicted_frozen": NOW,
        "predicted_knn": LABELS,
        "cosine": np.linspace(0.5, 1, 10),
        "cka_parts": np.array([2.0, 4.0, 9.0]),
    }


def by_metric(rows: list[dict[str, Any]], head: str = "frozen") -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows if row.get("head", head) == head}


def interval(k: int, n: int) -> tuple[float, float]:
    found = binomtest(k, n).proportion_ci(method="wilson")
    return found.low, found.high


def trials(kind: str = "fragile", statistics: tuple[float, ...] = (1.0, 1.0, 0.5, 0.0), **changes: Any) -> CheckTrials:
    known = CheckTrials(
        name="scheme",
        kind=kind,
        head="",
        statistics=np.array(statistics),
        thresholds=np.array([1.0, 0.9, 0.8, 0.7][: len(statistics)]),
        null_reached=[False, True, False],
        twin_reached=[False],
        wrong_reached=3,
        wrong=40,
        intact_failed=1,
        intact=8,
        bfloat16_reached=[],
        forged_reached=[True, False],
        claimed=1e-6,
    )
    return dataclasses.replace(known, **changes)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_has_its_count_and_wilson_interval(count: tuple[int, int]) -> None:
    k, n = count
    row = share("accuracy", "images", k, n, head="knn")
    low, high = interval(k, n)
    assert {key: row[key] for key in ("metric", "unit", "head", "k", "n")} == {
        "metric": "accuracy", "unit": "images", "head": "knn", "k": k, "n": n,
    }  # fmt: skip
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx((k / n, low, high), abs=1e-9)


@given(st.floats(-1e300, 1e300))
def test_rounding_keeps_ten_digits_and_is_idempotent(value: float) -> None:
    assert rounded(value) == pytest.approx(value, rel=1e-9, abs=1e-300)
    assert rounded(rounded(value)) == rounded(value)


def test_rounding_forgets_the_order_of_a_sum() -> None:
    assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1
    assert rounded(0.1 + 0.2 + 0.3) == rounded(0.3 + 0.2 + 0.1) == 0.6


def test_a_single_count_stays_whole() -> None:
    assert single("macs", "multiply-accumulates", 10**12 + 1) == {
        "metric": "macs", "unit": "multiply-accumulates", "value": 10**12 + 1,
    }  # fmt: skip
    assert type(single("macs", "", 12_345_678_901_234)["value"]) is int


def test_accuracy_and_error_of_every_head_that_predicted() -> None:
    rows = accuracy_rows(samples())
    assert [(row["head"], row["metric"], row["k"], row["n"]) for row in rows] == [
        ("frozen", "accuracy", 6, 10),
        ("frozen", "error", 4, 10),
        ("knn", "accuracy", 10, 10),
        ("knn", "error", 0, 10),
    ]


def test_calibration_error_where_confidences_were_kept() -> None:
    """Frozen: 6 of 10 right at a confidence of 0.9."""
    confident = samples() | {"confidence_frozen": np.full(10, 0.9, dtype=np.float32)}
    (row,) = [row for row in accuracy_rows(confident) if row["metric"] == "calibration_error"]
    assert (row["head"], row["n"], row["value"]) == ("frozen", 10, pytest.approx(0.3))


def test_agreement_flips_and_mcnemar_by_hand() -> None:
    rows = by_metric(agreement_rows(samples(), {"predicted_frozen": BEFORE}))
    # Equal at 0, 2, 4, 6, 7. Right before at 0, 1, 2, 4, 5, 7, 8, of which 1, 5, 8 broke; 3 and 9 were repaired.
    counts = {name: (row["k"], row["n"]) for name, row in rows.items() if "k" in row}
    assert counts == {
        "agreement": (5, 10),
        "agreement_where_right": (4, 7),
        "agreement_where_wrong": (1, 3),
        "broken": (3, 10),
        "repaired": (2, 10),
    }
    assert rows["mcnemar_p"]["value"] == pytest.approx(binomtest(3, 5).pvalue)
    assert rows["accuracy_change"]["value"] == pytest.approx(-0.1)
    ends = rows["accuracy_change"]["ci_low"], rows["accuracy_change"]["ci_high"]
    assert ends == pytest.approx(paired_difference(both=4, broken=3, repaired=2, neither=1), abs=1e-9)
    # Before 4, 3, 3 of the classes 0, 1, 2 and now 4, 3, 3: by chance 0.34.
    assert rows["kappa"]["value"] == pytest.approx((0.5 - 0.34) / (1 - 0.34))
    assert rows["feature_cosine"]["value"] == pytest.approx(0.75)
    assert rows["linear_cka"]["value"] == pytest.approx(2 / 6)
    assert rows["linear_cka"]["n"] == 10


def test_every_head_is_held_against_the_same_head_of_the_original() -> None:
    before = {"predicted_frozen": BEFORE, "predicted_refit": LABELS, "predicted_knn": NOW}
    rows = agreement_rows(samples() | {"predicted_refit": BEFORE}, before)
    found = {(row["head"], row["metric"]): row["k"] for row in rows if "head" in row and "k" in row}
    assert found["frozen", "agreement"] == 5
    assert found["refit", "agreement"] == found["refit", "agreement_where_right"] == 7
    assert ("refit", "agreement_where_wrong") not in found
    assert (found["refit", "broken"], found["refit", "repaired"]) == (3, 0)
    # Of kNN, which is no head, only what changes in accuracy: wrong before at 1, 5, 6, 8 in the labels' order.
    assert {name for head, name in found if head == "knn"} == {"broken", "repaired"}
    assert (found["knn", "broken"], found["knn", "repaired"]) == (0, 4)
    assert sum(row["metric"] in ("feature_cosine", "linear_cka") for row in rows) == 2


def test_agreement_with_itself_is_whole() -> None:
    features = np.random.default_rng(0).standard_normal((10, 4))
    parts = cka_parts(torch.from_numpy(features), torch.from_numpy(features))
    same = {**samples(), "predicted_frozen": BEFORE, "cosine": np.ones(10), "cka_parts": np.array(parts)}
    rows = by_metric(agreement_rows(same, {"predicted_frozen": BEFORE}))
    for metric in ("agreement", "agreement_where_wrong", "feature_cosine", "linear_cka", "kappa", "mcnemar_p"):
        assert rows[metric]["value"] == 1
    assert rows["broken"]["k"] == rows["repaired"]["k"] == rows["accuracy_change"]["value"] == 0


def test_an_original_that_is_never_right_has_no_agreement_where_right() -> None:
    wrong = (LABELS + 1) % 3
    rows = by_metric(agreement_rows(samples(), {"predicted_frozen": wrong}))
    assert "agreement_where_right" not in rows
    assert rows["agreement"]["n"] == rows["agreement_where_wrong"]["n"] == 10


def test_of_one_class_alone_there_is_no_kappa() -> None:
    ones = np.ones(10, dtype=np.int16)
    rows = by_metric(agreement_rows(samples() | {"predicted_frozen": ones}, {"predicted_frozen": ones}))
    assert "kappa" not in rows
    assert rows["agreement"]["value"] == 1


def test_classes_are_counted_by_head() -> None:
    before = {"predicted_frozen": BEFORE, "predicted_refit": LABELS}
    assert classes_right(samples() | {"predicted_refit": NOW}, before, 3) == {
        "frozen": {"n": [3, 3, 4], "original": [3, 2, 2], "pruned": [2, 2, 2]},
        "refit": {"n": [3, 3, 4], "original": [3, 3, 4], "pruned": [2, 2, 2]},
    }


@pytest.mark.parametrize("kind", ["fragile", "reversible"])
def test_a_fragile_check_authenticates(kind: str) -> None:
    auth, tampered = check_rows(trials(kind), altered=True)
    assert (auth["metric"], auth["unit"], auth["check"]) == ("AuthSR", "keys", "scheme")
    # 1.0 >= 1.0, 1.0 >= 0.9, 0.5 < 0.8, 0.0 < 0.7
    assert (auth["k"], auth["n"], auth["value"]) == (2, 4, 0.5)
    assert (auth["ci_low"], auth["ci_high"]) == pytest.approx(interval(2, 4), abs=1e-9)
    assert (auth["statistic"], auth["threshold"]) == pytest.approx((0.625, 0.85))
    assert auth["fpr"] == pytest.approx(1 / 3)
    upper = binomtest(1, 3, alternative="less").proportion_ci(0.95, method="exact").high
    assert auth["fpr_upper"] == pytest.approx(upper, rel=1e-9)
    assert (tampered["metric"], tampered["k"], tampered["n"]) == ("TamperDR", 2, 4)


def test_a_robust_watermark_verifies_and_detects_no_tampering() -> None:
    (row,) = check_rows(trials("robust"), altered=True)
    assert (row["metric"], row["k"], row["n"]) == ("VerSR", 2, 4)


@pytest.mark.parametrize(("kind", "alarm"), [("fragile", "AuthFRR"), ("robust", "VerFRR")])
def test_on_the_original_wrong_keys_and_benign_copies_are_counted(kind: str, alarm: str) -> None:
    _, wrong, benign, *_ = check_rows(trials(kind), altered=False)
    assert (wrong["metric"], wrong["unit"], wrong["k"], wrong["n"]) == ("wrong_key_rate", "wrong keys", 3, 40)
    assert (benign["metric"], benign["unit"], benign["k"], benign["n"]) == (alarm, "benign copies", 1, 8)
    assert {wrong["check"], benign["check"]} == {"scheme"}


def test_a_check_without_keys_or_nulls_claims_nothing_of_them() -> None:
    nothing = {"null_reached": [], "twin_reached": [], "forged_reached": [], "claimed": None}
    rows = check_rows(trials(wrong=0, wrong_reached=0, statistics=(1.0,), **nothing), altered=False)
    assert [row["metric"] for row in rows] == ["AuthSR", "AuthFRR"]
    assert not {"fpr", "fpr_upper"} & rows[0].keys()


def test_three_clean_null_encoders_bound_little() -> None:
    row = check_rows(trials(null_reached=[False] * 3), altered=True)[0]
    assert row["fpr"] == 0
    assert row["fpr_upper"] == pytest.approx(0.632, abs=5e-4)


def test_the_matrix_is_original_by_pruned() -> None:
    assert matrix(samples(), {"predicted_frozen": BEFORE}, 3) == [[3, 1, 0], [0, 1, 2], [1, 1, 1]]


def test_the_matrix_of_many_classes_does_not_overflow_small_integers() -> None:
    many = {"predicted_frozen": np.array([999], dtype=np.int16)}
    assert matrix(many, many, 1000)[999][999] == 1


def test_rows_have_columns_of_the_table_only() -> None:
    rows = [
        *accuracy_rows(samples()),
        *agreement_rows(samples(), {"predicted_frozen": BEFORE}),
        *check_rows(trials(), altered=True),
        *check_rows(trials(), altered=False),
    ]
    assert {key for row in rows for key in row} <= set(COLUMNS)


def test_what_was_tried_before_pruning_has_rows_of_its_own() -> None:
    rows = {row["metric"]: row for row in check_rows(trials("robust", head="frozen"), altered=False)}
    assert rows.keys() == {"VerSR", "wrong_key_rate", "VerFRR", "twin_accepted", "forger_accepted", "claimed_fpr"}
    assert (rows["forger_accepted"]["k"], rows["forger_accepted"]["n"]) == (1, 2)
    assert (rows["twin_accepted"]["value"], rows["claimed_fpr"]["value"]) == (0, 1e-6)
    assert all(row["check"] == "scheme" and row["head"] == "frozen" for row in rows.values())
    assert {row["metric"] for row in check_rows(trials("robust"), altered=True)} == {"VerSR"}


def test_details_are_means_over_keys_by_head() -> None:
    samples = {
        "detail/wu/frozen/WACC": np.array([0.5, 0.7]),
        "detail/wu/refit/WACC": np.array([0.1, 0.3]),
        "detail/wu/frozen/lost": np.array([np.nan, 0.3]),
        "detail/wu-2/frozen/WACC": np.array([1.0]),
    }
    (row,) = detail_rows(samples, "wu", "frozen")
    assert (row["metric"], row["value"], row["n"], row["check"], row["head"]) == ("WACC", 0.6, 2, "wu", "frozen")
