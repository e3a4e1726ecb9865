"""Figures and their intervals, against published examples, closed forms and the rows by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.claims.estimates import difference, estimate, paired, unpaired_difference

Z = 1.959963984540054


def score_interval(k: int, n: int) -> tuple[float, float]:
    """The two roots p of |k/n - p| = z sqrt(p (1 - p) / n), as a quadratic equation."""
    found = np.roots([1 + Z**2 / n, -2 * k / n - Z**2 / n, (k / n) ** 2])
    low, high = sorted(np.real(found))
    return float(low), float(high)


# Newcombe 1998 (Statistics in Medicine 17, 873-890), table II, method 10.
PUBLISHED = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (10, 10, 0, 10, 0.6075, 1.0000),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (10, 10, 0, 20, 0.6791, 1.0000),
]


@pytest.mark.parametrize(("k", "n", "j", "m", "low", "high"), PUBLISHED)
def test_difference_of_shares_is_newcombes(k, n, j, m, low, high):
    assert unpaired_difference(k, n, j, m) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_difference_of_shares_from_the_roots_of_the_score_equation(n, m, data):
    k, j = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    p, q = k / n, j / m
    (p_low, p_high), (q_low, q_high) = score_interval(k, n), score_interval(j, m)
    low = p - q - math.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + math.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    found = unpaired_difference(k, n, j, m)
    # A double root at 0 or 1 is known to half the digits.
    assert found == pytest.approx((low, high), abs=1e-6)
    assert -1 - 1e-12 <= found[0] <= p - q <= found[1] <= 1 + 1e-12
    turned = unpaired_difference(j, m, k, n)
    assert turned == pytest.approx((-found[1], -found[0]))


@given(st.integers(1, 30), st.integers(2, 20), st.data())
def test_more_trials_of_the_same_shares_are_narrower(n, times, data):
    k, j = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    few, many = unpaired_difference(k, n, j, n), unpaired_difference(k * times, n * times, j * times, n * times)
    assert few[0] <= many[0] + 1e-12
    assert many[1] <= few[1] + 1e-12


def success(seed: int, k: int, n: int = 20, key: int = 0) -> dict[str, object]:
    from prunemark.results.scores import share

    return {"seed": str(seed), "key": str(key), **share("AuthSR", "keys", k, n)}


def change(seed: int, value: float, low: float, high: float) -> dict[str, object]:
    return {"seed": str(seed), "key": "0", "metric": "accuracy_change", "unit": "difference", "value": value, "n": 100,
            "ci_low": low, "ci_high": high}  # fmt: skip


def size(seed: int, value: float) -> dict[str, object]:
    return {"seed": str(seed), "key": "0", "metric": "bitmask_bytes", "unit": "bytes", "value": value}


def numbered(*rows, start=2):
    return list(enumerate(rows, start=start))


def test_one_seed_has_its_own_interval():
    found = estimate(numbered(success(0, 5)))
    assert (found.low, found.high) == pytest.approx(score_interval(5, 20))
    assert (found.value, found.interval, found.trials, found.n, found.lines) == (
        0.25,
        "Wilson",
        "5 of 20 keys",
        20,
        [2],
    )


def test_keys_of_marked_copies_are_added():
    found = estimate(numbered(success(0, 1, 1), success(0, 0, 1, key=1), success(0, 1, 1, key=2)))
    assert (found.low, found.high) == pytest.approx(score_interval(2, 3))
    assert (found.trials, found.n, found.seeds) == ("2 of 3 keys", 3, 1)


def test_few_seeds_reach_from_the_lowest_to_the_highest_end():
    found = estimate(numbered(success(0, 20), success(1, 10)))
    assert (found.low, found.high) == pytest.approx((score_interval(10, 20)[0], score_interval(20, 20)[1]))
    assert found.value == 0.75
    assert found.interval == "Wilson, every seed\u2019s own"
    # Two marks that verify are two trials, not certainty.
    assert estimate(numbered(success(0, 1, 1), success(1, 1, 1))).low == pytest.approx(score_interval(1, 1)[0])


def test_images_are_the_same_for_every_copy_and_seed():
    from prunemark.results.scores import share

    rows = [{"seed": s, "key": k, **share("accuracy", "images", 50, 100, head="refit")} for s in "01" for k in "012"]
    found = estimate(numbered(*rows))
    assert (found.low, found.high) == pytest.approx(score_interval(50, 100))
    assert (found.trials, found.n, found.seeds) == ("100 images", 100, 2)


def test_from_five_seeds_on_the_interval_is_the_bootstraps_of_the_report():
    from prunemark.results.table import summary

    rows = [success(seed, k) for seed, k in enumerate((3, 9, 12, 15, 18))]
    found, stated = estimate(numbered(*rows)), summary({}, rows)
    assert (found.value, found.low, found.high) == (stated.value, stated.low, stated.high)
    assert found.interval == "bootstrap over seeds"


def test_seeds_that_all_agree_are_one_trial_each():
    found = estimate(numbered(*(success(seed, 20) for seed in range(5))))
    assert (found.low, found.high) == pytest.approx(score_interval(5, 5))
    fallen = difference(
        numbered(*(success(seed, 0) for seed in range(5))),
        numbered(*(success(seed, 20) for seed in range(5)), start=7),
    )
    assert (fallen.low, fallen.high) == pytest.approx(unpaired_difference(0, 5, 5, 5))


def test_difference_goes_seed_by_seed():
    found = difference(numbered(success(0, 2), success(1, 10)), numbered(success(0, 20), success(1, 12), start=4))
    ends = [unpaired_difference(2, 20, 20, 20), unpaired_difference(10, 20, 12, 20)]
    assert (found.low, found.high) == pytest.approx((ends[0][0], ends[1][1]))
    assert found.value == pytest.approx(-0.5)
    assert found.trials == "12 of 40 keys against 32 of 40 keys"
    assert found.lines == [2, 3, 4, 5]


def test_sizes_are_exact_and_what_is_unknown_has_no_interval():
    found = difference(numbered(size(0, 70.0)), numbered(size(0, 100.0), start=3))
    assert (found.value, found.low, found.high, found.interval) == (-30, -30, -30, "exact")
    cka = {"seed": "0", "key": "0", "unit": "similarity", "value": 0.5, "n": 100}
    assert (estimate(numbered(cka)).low, estimate(numbered(cka)).interval) == (None, "none")


def test_change_of_the_table_is_taken_with_its_ends_and_turned_for_errors():
    found = paired(numbered(change(0, -0.02, -0.05, 0.01)), 1)
    assert (found.value, found.low, found.high, found.trials) == (-0.02, -0.05, 0.01, "100 images")
    turned = paired(numbered(change(0, -0.02, -0.05, 0.01)), -1)
    assert (turned.value, turned.low, turned.high) == (0.02, -0.01, 0.05)
