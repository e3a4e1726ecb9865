"""The curve of raw statistics: held against its definition, threshold by threshold, and against Mann and Whitney."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from prunemark.metrics.roc import area, roc

values = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


def on_curve(corners, point):
    """Whether a point lies on the line through the corners."""
    for (x0, y0), (x1, y1) in zip(corners, corners[1:], strict=False):
        x, y = point
        if x0 <= x <= x1 and y0 <= y <= y1 and (x - x0) * (y1 - y0) == (x1 - x0) * (y - y0):
            return True
    return False


@given(values, values)
def test_every_threshold_is_on_the_curve_and_every_corner_is_a_threshold(positives, negatives):
    ours, theirs = np.array(positives, dtype=float), np.array(negatives, dtype=float)
    corners = roc(ours, theirs, np.ones(len(theirs), dtype=int))
    levels = [np.inf, *np.unique([*ours, *theirs])]
    reached = {(int((theirs >= level).sum()), int((ours >= level).sum())) for level in levels}
    assert all(on_curve(corners, point) for point in reached)
    assert set(corners) <= reached
    assert corners[0] == (0, 0)
    assert corners[-1] == (len(theirs), len(ours))


@given(values, values)
def test_the_area_is_that_of_mann_and_whitney(positives, negatives):
    ours, theirs = np.array(positives, dtype=float), np.array(negatives, dtype=float)
    whole = mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs))
    assert area(roc(ours, theirs, np.ones(len(theirs), dtype=int))) == pytest.approx(whole)


def test_a_weight_is_a_value_found_so_often():
    positives, negatives, weights = np.array([3.0, 1.0]), np.array([2.0, 0.0]), np.array([3, 2])
    repeated = np.repeat(negatives, weights)
    assert roc(positives, negatives, weights) == roc(positives, repeated, np.ones(5, dtype=int))


def test_what_parts_them_wholly_has_three_corners():
    assert roc(np.array([4.0, 5.0]), np.array([1.0, 2.0]), np.array([1, 1])) == [(0, 0), (0, 2), (2, 2)]
