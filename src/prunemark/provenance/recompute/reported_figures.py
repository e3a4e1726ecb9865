"""A reported figure: its place within a cell, and its columns of results.csv."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from prunemark.provenance.recompute.own_formulas import wilson


class Place(NamedTuple):
    """``head`` and ``check`` are empty where they do not apply."""

    metric: str
    head: str = ""
    check: str = ""


Figure = dict[str, Any]
Figures = dict[Place, Figure]


def share(unit: str, k: int, n: int, **more: Any) -> Figure:
    low, high = wilson(int(k), int(n))
    return {"unit": unit, "value": k / n, "k": int(k), "n": int(n), "ci_low": low, "ci_high": high, **more}


def number(unit: str, value: float, **more: Any) -> Figure:
    return {"unit": unit, "value": value, **more}


def mean(values: Iterable[float]) -> float:
    return float(np.mean([float(value) for value in values]))
