"""Intervals and exact tests against scipy's, tables and worked examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from prunemark.metrics.intervals import mcnemar, trials_needed, upper_bound, wilson

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_is_scipys(count: tuple[int, int]) -> None:
    k, n = count
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(counts)
def test_wilson_holds_the_share_lies_in_0_to_1_and_mirrors(count: tuple[int, int]) -> None:
    k, n = count
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    mirrored = wilson(n - k, n)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-12)
    assert (low == 0) == (k == 0)
    assert (high == 1) == (k == n)


def test_wilson_of_a_worked_example() -> None:
    """15 of 148, with z = 1.96: 0.0624 to 0.1605 (Newcombe 1998, Statistics in Medicine 17, table I, method 3)."""
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5), (1, 0)])
def test_a_share_of_nothing(k: int, n: int) -> None:
    with pytest.raises(ValueError, match=rf"^a share needs 0 <= k <= n and n > 0, found k={k}, n={n}$"):
        wilson(k, n)


@given(counts)
def test_the_upper_bound_is_scipys_one_sided_one(count: tuple[int, int]) -> None:
    k, n = count
    theirs = binomtest(k, n, alternative="less").proportion_ci(0.95, method="exact")
    assert upper_bound(k, n) == pytest.approx(theirs.high, abs=1e-9)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_at_the_upper_bound_so_few_events_have_a_chance_of_one_in_twenty(count: tuple[int, int]) -> None:
    k, n = count
    assert binom.cdf(k, n, upper_bound(k, n)) == pytest.approx(0.05, abs=1e-9)


def test_upper_bounds_of_no_events() -> None:
    """1 - 0.05^(1/n); 299 clean trials are the fewest that bound a rate below 1 %."""
    assert upper_bound(0, 3) == pytest.approx(0.632, abs=5e-4)
    assert upper_bound(0, 1) == pytest.approx(0.95)
    assert upper_bound(0, 299) < 0.01 < upper_bound(0, 298)
    assert upper_bound(5, 5) == 1


@given(st.integers(0, 500), st.integers(0, 500))
def test_mcnemar_is_scipys_sign_test(broken: int, repaired: int) -> None:
    p = mcnemar(broken, repaired)
    assert p == mcnemar(repaired, broken)
    if broken + repaired:
        assert p == pytest.approx(binomtest(broken, broken + repaired).pvalue, rel=1e-9)
    assert 0 <= p <= 1


def test_mcnemar_of_worked_examples() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert mcnemar(0, 6) == pytest.approx(2 / 2**6)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(59, 6) == pytest.approx(2 * binom.cdf(6, 65, 0.5))
    assert 0 < mcnemar(0, 1000) < 1e-300


@pytest.mark.parametrize(("rate", "needed"), [(0.01, 299), (0.001, 2995), (0.0001, 29956)])
def test_trials_needed_are_the_fewest(rate: float, needed: int) -> None:
    assert trials_needed(rate) == needed
    assert upper_bound(0, needed) <= rate < upper_bound(0, needed - 1)
