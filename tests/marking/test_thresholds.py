"""Thresholds against SciPy's binomial, a published table, and the conformal promise by simulation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.stats

from prunemark.errors import PrunemarkError
from prunemark.marking import thresholds
from prunemark.marking.contract import Nulls


@pytest.mark.parametrize("alpha", [Fraction(1, 20), Fraction(1, 1000), Fraction(1, 10**6)])
@pytest.mark.parametrize("trials", [20, 32, 64, 100, 128, 256])
def test_threshold_is_scipys(trials: int, alpha: Fraction) -> None:
    value, p_value = thresholds.binomial_threshold(trials, alpha)
    assert p_value == pytest.approx(scipy.stats.binom.sf(value - 1, trials, 0.5), rel=1e-9)
    assert p_value <= alpha < scipy.stats.binom.sf(value - 2, trials, 0.5)


def test_thresholds_of_the_table() -> None:
    table = {32: (22, 26, 30), 64: (40, 45, 51), 100: (59, 66, 74), 128: (74, 82, 92), 256: (142, 154, 167)}
    alphas = (Fraction(1, 20), Fraction(1, 1000), Fraction(1, 10**6))
    found = {trials: tuple(thresholds.binomial_threshold(trials, alpha)[0] for alpha in alphas) for trials in table}
    assert found == table


def test_too_few_bits_have_no_threshold() -> None:
    with pytest.raises(PrunemarkError, match="19 bits cannot reach"):
        thresholds.binomial_threshold(19, Fraction(1, 10**6))


@pytest.mark.parametrize("matches", [0, 1, 32, 51, 64])
def test_p_value_is_scipys(matches: int) -> None:
    assert thresholds.at_least(matches, 64) == pytest.approx(scipy.stats.binom.sf(matches - 1, 64, 0.5), rel=1e-9)


def test_above_all_keeps_its_promise() -> None:
    """Of exchangeable values, one lies above n others with probability 1 / (n + 1); the other group may be no help."""
    draws = np.random.default_rng(0).normal(size=(20_000, 4))
    reached = 0
    for null in draws.tolist():
        found = thresholds.above_all(Nulls(null[:3], [-9.0] * 20, [9.0]))
        reached += null[3] >= found.value
        assert found.p_value == pytest.approx(0.25)
    assert reached / len(draws) == pytest.approx(0.25, abs=0.01)


def test_above_no_nulls_nothing_is_accepted() -> None:
    assert thresholds.above_all(Nulls([], [], [])).value == float("inf")
