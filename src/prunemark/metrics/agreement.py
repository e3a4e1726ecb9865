"""Predictions of the original and of the pruned encoder on the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Flips:
    """Images whose correctness changed: right then wrong (broken), wrong then right (repaired)."""

    broken: int
    repaired: int


def agreement_matrix(original: np.ndarray, pruned: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes): row = the original's prediction, column = the pruned encoder's."""
    return np.bincount(original * classes + pruned, minlength=classes * classes).reshape(classes, classes)


def flips(labels: np.ndarray, original: np.ndarray, pruned: np.ndarray) -> Flips:
    """Flips of correctness between two predictions (N,) of the same labelled images (N,)."""
    was, now = original == labels, pruned == labels
    return Flips(broken=int((was & ~now).sum()), repaired=int((~was & now).sum()))
