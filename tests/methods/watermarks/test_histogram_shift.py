"""The integer arithmetic of the reversible watermark, against the formulas written out element by element."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunemark.methods.watermarks._histogram_shift import Bins, find_bins, shift, unshift

SMALL = hnp.arrays(np.int64, st.integers(1, 200), elements=st.integers(-6, 6))
WIDE = hnp.arrays(np.int64, st.integers(1, 200), elements=st.integers(-(2**40), 2**40))
HOSTS = SMALL | WIDE


def literal_embed(host: list[int], message: list[int], peak: int, zero: int) -> list[int]:
    marked, left = [], list(message)
    for q in host:
        if peak < q < zero:
            marked.append(q + 1)
        elif q == peak and left:
            marked.append(q + left.pop(0))
        else:
            marked.append(q)
    return marked


def literal_extract(marked: list[int], peak: int, zero: int) -> tuple[list[int], list[int]]:
    host, message = [], []
    for q in marked:
        if q == peak:
            message.append(0)
        if q == peak + 1:
            message.append(1)
        host.append(q - 1 if peak < q <= zero else q)
    return host, message


@given(HOSTS, st.data())
def test_inverse_is_exact_and_formulas_are_literal(values: np.ndarray, data: st.DataObject) -> None:
    host = torch.from_numpy(values)
    bins = find_bins(host, 2**41)
    assert bins is not None
    message = data.draw(st.lists(st.integers(0, 1), max_size=bins.capacity))
    marked = shift(host, torch.tensor(message, dtype=torch.int64), bins)
    assert marked.tolist() == literal_embed(values.tolist(), message, bins.peak, bins.zero)
    restored, read = unshift(marked, bins.peak, bins.zero)
    assert torch.equal(restored, host)
    assert read.tolist() == message + [0] * (bins.capacity - len(message))
    assert (restored.tolist(), read.tolist()) == literal_extract(marked.tolist(), bins.peak, bins.zero)


@given(HOSTS)
def test_bins_are_the_fullest_and_the_nearest_empty(values: np.ndarray) -> None:
    bins = find_bins(torch.from_numpy(values), 2**41)
    assert bins is not None
    counts = {int(value): int((values == value).sum()) for value in values}
    assert bins.capacity == counts[bins.peak] == max(counts.values())
    assert bins.zero not in counts
    assert all(value in counts for value in range(bins.peak, min(bins.zero, bins.peak + 300)))


@pytest.mark.parametrize(("values", "largest"), [([], 5), ([5, 5], 5), ([3, 3, 4, 5], 5)])
def test_no_room_above_the_peak(values: list[int], largest: int) -> None:
    assert find_bins(torch.tensor(values, dtype=torch.int64), largest) is None


def test_last_allowed_value_is_used() -> None:
    assert find_bins(torch.tensor([3, 3, 4]), 5) == Bins(3, 5, 2)
