"""The receiver operating characteristic (Fawcett 2006) of raw statistics, as counts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def roc(positives: np.ndarray, negatives: np.ndarray, weights: np.ndarray) -> list[tuple[int, int]]:
    """The corners (negatives reached, positives reached) of the curve, as one threshold falls from above all values.

    Args:
        positives: statistics (P,) that ought to reach the threshold.
        negatives: statistics (N,) that ought not to.
        weights: how often (N,) each of these was found, in whole numbers.

    Values that are equal are reached together, which the straight line between two corners shows. Corners on a
    straight line between their neighbours are left out.
    """
    levels = np.unique(np.concatenate((positives, negatives)))[::-1]
    ours, theirs = np.sort(positives), np.argsort(negatives, kind="stable")
    above = np.concatenate((np.cumsum(weights[theirs][::-1])[::-1], [0]))
    reached = above[np.searchsorted(negatives[theirs], levels)]
    points = [(0, 0), *zip(reached.tolist(), (len(ours) - np.searchsorted(ours, levels)).tolist(), strict=True)]
    corners = points[:1]
    for here, after in zip(points[1:], [*points[2:], None], strict=True):
        if after is None or not straight(corners[-1], here, after):
            corners.append(here)
    return corners


def straight(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies on the line from a to c."""
    return (b[0] - a[0]) * (c[1] - a[1]) == (c[0] - a[0]) * (b[1] - a[1])


def area(corners: list[tuple[int, int]]) -> float:
    """The area under the curve: the share of pairs in which the positive lies above the negative, ties one half."""
    whole = corners[-1][0] * corners[-1][1]
    steps = pairwise(corners)
    return sum((right[0] - left[0]) * (left[1] + right[1]) for left, right in steps) / (2 * whole)
