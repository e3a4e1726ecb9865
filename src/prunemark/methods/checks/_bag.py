"""A bag of images: the few of them that are kept, and what another key would pair them with."""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.marking.keys import stream


def cycle(key: bytes, name: str, count: int) -> Tensor:
    """A permutation of ``count`` rows, drawn by the key, of one cycle: wherever rows differ, not all can stay."""
    order = torch.randperm(count, generator=stream(key, name, "cycle"))
    return order.roll(1)[order.argsort()]


def best(worth: Tensor, active: Tensor, count: int) -> Tensor:
    """Row numbers, int64 (count,), of those of the better half, or the ``count`` best where these are more, that cover
    most: ``worth`` (N,), ``active`` bool (N, channels)."""
    better = worth.argsort(descending=True, stable=True)[: max(count, int(worth.isfinite().sum()) // 2)]
    return better[cover(active[better], count)]


def cover(active: Tensor, count: int) -> Tensor:
    """Row numbers, int64 (count,), of active, bool (N, channels): each next row is the one with most active channels
    that no row before it has, the first of equals. Rows are to come in order of preference."""
    fresh = active.clone()
    chosen: list[int] = []
    for _ in range(count):
        gains = fresh.sum(dim=1)
        gains[chosen] = -1
        row = int(gains.argmax())
        chosen.append(row)
        fresh &= ~active[row]
    return torch.tensor(chosen)
