"""Intervals and exact tests for counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from scipy.special import bdtr, betaincinv

Z95 = NormalDist().inv_cdf(0.975)


def wilson(k: int, n: int) -> tuple[float, float]:
    """The Wilson score interval (95 %) of a share k/n of independent trials (Wilson 1927; Brown et al. 2001, eq. 4).

    Raises:
        ValueError: no trials, or k outside 0..n.
    """
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"a share needs 0 <= k <= n and n > 0, found k={k}, n={n}")
    share, z2 = k / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Exact ends: at k = 0 or n the formula gives 0 or 1 but for rounding.
    return (0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def upper_bound(k: int, n: int) -> float:
    """The one-sided 95 % upper bound of a rate from k events in n trials (Clopper and Pearson 1934): 0 of 3 is 0.63."""
    return 1.0 if k == n else float(betaincinv(k + 1, n - k, 0.95))


def trials_needed(rate: float) -> int:
    """The smallest n for which 0 of n gives `upper_bound` at most ``rate``: 299 for 1 %, 2,995 for 0.1 %."""
    return math.ceil(math.log(0.05) / math.log1p(-rate))


def mcnemar(broken: int, repaired: int) -> float:
    """The exact two-sided p-value of McNemar's test (1947): 2 P(Bin(b + c, 1/2) <= min(b, c)), at most 1."""
    n = broken + repaired
    return min(1.0, 2 * float(bdtr(min(broken, repaired), n, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (1979) of one family of tests, in the order given: reject where at most the level."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def paired_difference(both: int, broken: int, repaired: int, neither: int) -> tuple[float, float]:
    """The 95 % interval of the change of accuracy, (repaired - broken) / n, on the same n images (Newcombe 1998,
    Statistics in Medicine 17, 2635-2650, method 10: Wilson ends of both shares, joined by their correlation).

    Args:
        both, broken, repaired, neither: images right both times, only before, only after, and never.
    """
    n = both + broken + repaired + neither
    before, after = (both + broken) / n, (both + repaired) / n
    before_low, before_high = wilson(both + broken, n)
    after_low, after_high = wilson(both + repaired, n)
    phi = correlation(both, broken, repaired, neither)

    def joined(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    change = (repaired - broken) / n
    down, up = joined(after - after_low, before_high - before), joined(after_high - after, before - before_low)
    return change - down, change + up


def correlation(both: int, broken: int, repaired: int, neither: int) -> float:
    """Newcombe's phi of a paired table, its covariance corrected for continuity where positive; 0 where a margin is."""
    n = both + broken + repaired + neither
    margins = (both + broken) * (repaired + neither) * (both + repaired) * (broken + neither)
    if margins == 0:
        return 0.0
    covariance = both * neither - broken * repaired
    return (max(covariance - n / 2, 0.0) if covariance > 0 else covariance) / math.sqrt(margins)
