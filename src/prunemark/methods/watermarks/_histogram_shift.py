"""Reversible data hiding by histogram shift (Ni et al. 2006), on integers alone: no weights, no keys, no files.

With q the host integers, P a peak and Z > P a value that does not occur: every value in (P, Z) moves up by one, which
empties P + 1; then each q equal to P carries one bit, staying for 0 and moving to P + 1 for 1. Capacity is the number
of values equal to P. The inverse reads the bits off P and P + 1 and moves (P, Z] down by one.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Bins(NamedTuple):
    """Peak and zero bin of a histogram, and how many values the peak holds."""

    peak: int
    zero: int
    capacity: int


def find_bins(host: Tensor, largest: int) -> Bins | None:
    """The fullest value of ``host``, int64 (N,), and the nearest absent one above it that is at most ``largest``.

    ``None`` if there is no such absent value: then nothing can be shifted without leaving the allowed range.
    """
    if not len(host):
        return None
    values, counts = torch.unique(host, return_counts=True)
    best = int(counts.argmax())
    peak, zero = int(values[best]), int(values[best]) + 1
    for value in values[best + 1 :].tolist():
        if value != zero:
            break
        zero += 1
    return Bins(peak, zero, int(counts[best])) if zero <= largest else None


def shift(host: Tensor, message: Tensor, bins: Bins) -> Tensor:
    """``host`` with the bits of ``message``, int64 (n,) in {0, 1}, on its first n peak values; n <= capacity."""
    marked = host + ((host > bins.peak) & (host < bins.zero)).long()
    carriers = (host == bins.peak).nonzero()[: len(message), 0]
    marked[carriers] += message
    return marked


def unshift(marked: Tensor, peak: int, zero: int) -> tuple[Tensor, Tensor]:
    """The host before `shift` and the bits it carried, one for each peak value (zeros after the message's end)."""
    message = (marked[(marked == peak) | (marked == peak + 1)] == peak + 1).long()
    return marked - ((marked > peak) & (marked <= zero)).long(), message
