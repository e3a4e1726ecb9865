"""The calibration error against one image at a time, closed forms and the sum over bins as printed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.metrics.calibration_error import calibration_error

shown = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=80)


@given(shown)
def test_it_is_equation_3(shown: list[tuple[float, bool]]) -> None:
    """sum over m of |B_m| / n * |acc(B_m) - conf(B_m)|, where B_m holds the confidences in ((m - 1) / M, m / M]."""
    n, total = len(shown), 0.0
    for m in range(1, 16):
        members = [(p, right) for p, right in shown if (m - 1) / 15 < p <= m / 15 or (m == 1 and p == 0)]
        if members:
            accuracy = sum(right for _, right in members) / len(members)
            confidence = sum(p for p, _ in members) / len(members)
            total += len(members) / n * abs(accuracy - confidence)
    confidence, right = (np.array(column) for column in zip(*shown, strict=True))
    assert calibration_error(confidence.astype(np.float32), right) == pytest.approx(total, abs=1e-7)


def test_closed_forms() -> None:
    certain = np.ones(8, dtype=np.float32)
    assert calibration_error(certain, np.ones(8, dtype=bool)) == 0
    assert calibration_error(certain, np.zeros(8, dtype=bool)) == 1
    assert calibration_error(np.full(10, 0.7, dtype=np.float32), np.arange(10) < 7) == pytest.approx(0, abs=1e-7)
    # Two bins that err in opposite directions do not cancel: half of the images by 0.2, half by 0.3.
    confidence = np.repeat(np.float32([0.5, 0.8]), 10)
    right = np.concatenate([np.arange(10) < 7, np.arange(10) < 5])
    assert calibration_error(confidence, right) == pytest.approx(0.5 * 0.2 + 0.5 * 0.3)
