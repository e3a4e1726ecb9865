"""Agreement counted one image at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.metrics.agreement import agreement_matrix, flips, kappa, right_by_class

CLASSES = 4
triples = st.lists(st.tuples(*[st.integers(0, CLASSES - 1)] * 3), min_size=1, max_size=60)


@given(triples)
def test_matrix_and_flips_are_counts(triples: list[tuple[int, int, int]]) -> None:
    labels, before, now = np.array(triples, dtype=np.int64).T
    matrix = agreement_matrix(before, now, CLASSES)
    assert matrix.shape == (CLASSES, CLASSES)
    for i in range(CLASSES):
        for j in range(CLASSES):
            assert matrix[i, j] == sum(b == i and n == j for _, b, n in triples)
    changed = flips(labels, before, now)
    assert changed.broken == sum(b == label != n for label, b, n in triples)
    assert changed.repaired == sum(n == label != b for label, b, n in triples)
    right = sum(n == label for label, _, n in triples) - sum(b == label for label, b, _ in triples)
    assert changed.repaired - changed.broken == right


def test_rows_are_the_original_and_columns_the_pruned_encoder() -> None:
    assert agreement_matrix(np.array([0, 0, 1]), np.array([2, 2, 1]), 3).tolist() == [[0, 0, 2], [0, 1, 0], [0, 0, 0]]


def test_kappa_of_a_worked_example() -> None:
    """Observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5: (0.7 - 0.5) / (1 - 0.5)."""
    assert kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)
    assert kappa(np.array([[0, 5], [5, 0]])) == pytest.approx(-1)
    assert math.isnan(kappa(np.array([[0, 0], [0, 9]])))


@given(triples)
def test_kappa_is_one_image_at_a_time(triples: list[tuple[int, int, int]]) -> None:
    _, before, now = np.array(triples, dtype=np.int64).T
    found = kappa(agreement_matrix(before, now, CLASSES))
    pairs = [(b, n) for b in before for n in now]
    chance = sum(b == n for b, n in pairs) / len(pairs)
    observed = sum(before == now) / len(before)
    if chance == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx((observed - chance) / (1 - chance), abs=1e-12)


@given(triples)
def test_classes_are_counted_one_image_at_a_time(triples: list[tuple[int, int, int]]) -> None:
    labels, predicted, _ = np.array(triples, dtype=np.int64).T
    expected = [sum(a == b == i for a, b, _ in triples) for i in range(CLASSES)]
    assert right_by_class(labels, predicted, CLASSES).tolist() == expected
