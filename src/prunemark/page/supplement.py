"""What the page shows beside the results table: receipts and journals, curves from raw statistics, example images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prunemark.formats.journal import Journal
from prunemark.formats.receipt import Receipt
from prunemark.point import Point


@dataclass(frozen=True)
class Evidence:
    """Everything that `prunemark.stages.report` gathers for the page from files other than scores.json.

    ``receipts``: per folder the receipt and the SHA-256 of its file, a step after all that it reads; ``journals``: the
    entry per folder, where there is one. ``curves``: per cell, what `prunemark.metrics.roc` says of every scheme.
    ``pictures``: per probe dataset its class names and a few test images; ``predictions``: per cell, the class
    predicted for each of these, through the frozen head.
    """

    receipts: dict[str, tuple[Receipt, str]] = field(default_factory=dict)
    journals: dict[str, Journal] = field(default_factory=dict)
    curves: dict[Point, list[dict[str, Any]]] = field(default_factory=dict)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    predictions: dict[Point, list[int]] = field(default_factory=dict)
