"""Intervals, tests and coefficients, by SciPy's routines or by their definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.stats import beta, binomtest, norm

BINS = 15


@cache
def wilson(k: int, n: int) -> tuple[float, float]:
    """The Wilson score interval (95 %) of k of n, as SciPy has it."""
    low, high = binomtest(k, n).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


@cache
def clopper_pearson_upper(k: int, n: int) -> float:
    """The one-sided 95 % upper bound of a rate by the quantile of its beta distribution."""
    return 1.0 if k == n else float(beta.ppf(0.95, k + 1, n - k))


@cache
def mcnemar(broken: int, repaired: int) -> float:
    """The exact two-sided p-value: the binomial test of broken among all discordant images."""
    return float(binomtest(broken, broken + repaired).pvalue) if broken + repaired else 1.0


def newcombe(both: int, broken: int, repaired: int, neither: int) -> tuple[float, float]:
    """The 95 % interval of (repaired - broken) / n: Newcombe 1998, method 10, from his table (a, b, c, d) with a, b
    right before, a, c right after, and score limits from their quadratic."""
    a, b, c, d = both, broken, repaired, neither
    n = a + b + c + d
    (l_after, u_after), (l_before, u_before) = score_limits(a + c, n), score_limits(a + b, n)
    p_after, p_before = (a + c) / n, (a + b) / n
    product = math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    association: float = a * d - b * c
    if association > 0:
        association = max(association - n / 2, 0)
    phi = association / product if product else 0.0
    down = (p_after - l_after) ** 2 - 2 * phi * (p_after - l_after) * (u_before - p_before) + (u_before - p_before) ** 2
    up = (u_after - p_after) ** 2 - 2 * phi * (u_after - p_after) * (p_before - l_before) + (p_before - l_before) ** 2
    difference = p_after - p_before
    return difference - math.sqrt(max(down, 0.0)), difference + math.sqrt(max(up, 0.0))


def score_limits(k: int, n: int) -> tuple[float, float]:
    """The roots in p of (k/n - p)^2 = z^2 p (1 - p) / n."""
    z2 = norm.ppf(0.975) ** 2
    middle, root = 2 * k + z2, math.sqrt(z2 * (z2 + 4 * k * (n - k) / n))
    return (middle - root) / (2 * (n + z2)), (middle + root) / (2 * (n + z2))


def kappa(before: np.ndarray, now: np.ndarray) -> float | None:
    """Cohen's kappa of two predictions (N,): observed agreement beyond that of independent raters with the same shares
    of every class; ``None`` where these would always agree."""
    classes = np.union1d(before, now)
    if len(classes) == 1:
        return None
    chance = sum(float((before == c).mean()) * float((now == c).mean()) for c in classes)
    return (float((before == now).mean()) - chance) / (1 - chance)


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Guo et al. 2017, equation 3: sum over 15 bins ((m - 1) / 15, m / 15] of |B| / N times |accuracy - confidence|."""
    confidence, total = confidence.astype(np.float64), 0.0
    for m in range(1, BINS + 1):
        above = confidence > (m - 1) / BINS if m > 1 else np.full(len(confidence), True)
        inside = above & (confidence <= m / BINS)
        if inside.any():
            total += inside.sum() / len(confidence) * abs(right[inside].mean() - confidence[inside].mean())
    return float(total)


def linear_cka(parts: Sequence[float]) -> float:
    """Kornblith et al. 2019, equation 3, from ||A'B||^2, ||A'A||^2 and ||B'B||^2."""
    cross, own, other = parts
    return cross / (math.sqrt(own) * math.sqrt(other)) if own > 0 and other > 0 else 0.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm 1979 as a maximum: of every test the largest, over those no larger, of how many are no smaller than that one
    times its p-value."""
    bounds = [(p, min(1.0, p * sum(q >= p for q in p_values))) for p in p_values]
    return [max(bound for q, bound in bounds if q <= p) for p in p_values]
