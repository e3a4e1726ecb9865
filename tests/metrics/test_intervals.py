"""Intervals and exact tests against scipy's, tables and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from prunemark.metrics.intervals import holm, mcnemar, paired_difference, trials_needed, upper_bound, wilson

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


p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@given(p_values, st.floats(0, 1))
def test_holm_rejects_step_by_step(values: list[float], level: float) -> None:
    """Holm 1979: from the smallest up, reject while p of rank i is at most level / (n - i), then nothing more."""
    rejected: set[int] = set()
    for i, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if (len(values) - i) * values[index] > level:
            break
        rejected.add(index)
    found = {i for i, adjusted in enumerate(holm(values)) if adjusted <= level}
    assert found == rejected or level == 1


@given(p_values)
def test_holm_is_never_below_the_test_nor_above_bonferroni_and_keeps_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(p <= a <= min(1, len(values) * p) or a == 1 for p, a in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_holm_of_a_worked_example() -> None:
    """0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 raised to the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1, 1]


tables = st.tuples(*[st.integers(0, 400)] * 4).filter(any)


@given(tables)
def test_the_paired_interval_is_newcombes_method_10(table: tuple[int, int, int, int]) -> None:
    """Letters as in the paper: e both, f only first, g only second, h neither; the change here is second - first."""
    e, f, g, h = table
    n = e + f + g + h
    first, second = (binomtest(k, n).proportion_ci(method="wilson") for k in (e + f, e + g))
    theta = (f - g) / n
    l1, u1, l2, u2 = first.low, first.high, second.low, second.high
    dl1, du1 = (e + f) / n - l1, u1 - (e + f) / n
    dl2, du2 = (e + g) / n - l2, u2 - (e + g) / n
    product = (e + f) * (g + h) * (e + g) * (f + h)
    numerator = max(e * h - f * g - n / 2, 0) if e * h > f * g else e * h - f * g
    phi = numerator / math.sqrt(product) if product else 0
    delta = math.sqrt(max(0, dl1**2 - 2 * phi * dl1 * du2 + du2**2))
    epsilon = math.sqrt(max(0, du1**2 - 2 * phi * du1 * dl2 + dl2**2))
    assert paired_difference(*table) == pytest.approx((-(theta + epsilon), -(theta - delta)), abs=1e-7)


@given(tables)
def test_the_paired_interval_holds_the_change_and_turns_with_it(table: tuple[int, int, int, int]) -> None:
    both, broken, repaired, neither = table
    low, high = paired_difference(*table)
    assert -1 - 1e-12 <= low <= (repaired - broken) / sum(table) <= high <= 1 + 1e-12
    assert paired_difference(both, repaired, broken, neither) == pytest.approx((-high, -low), abs=1e-9)


def test_the_paired_interval_of_a_published_example() -> None:
    """Airway reactivity of 21 children, 1, 1, 7, 12: -0.507 to -0.026 (Fagerland, Lydersen and Laake 2014)."""
    assert paired_difference(1, 7, 1, 12) == pytest.approx((-0.507, -0.026), abs=5e-4)


def test_the_paired_interval_covers() -> None:
    """Of 2,000 samples of 300 pairs, about 95 % hold the true change of -0.05."""
    draws = np.random.default_rng(0).multinomial(300, (0.6, 0.12, 0.07, 0.21), 2000)
    ends = [paired_difference(*map(int, draw)) for draw in draws]
    assert np.mean([low <= -0.05 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.015)
