"""Agreement counted one image at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prunemark.metrics.agreement import agreement_matrix, flips

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
