"""Predictions of the original and of the pruned encoder on the same images."""

from __future__ import annotations

import math
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


def kappa(matrix: np.ndarray) -> float:
    """Cohen's kappa (1960, equation 1) of an agreement matrix of counts (classes, classes): agreement beyond what the
    two marginal distributions give by chance; NaN where both sides only ever name one and the same class.
    """
    shares = matrix / matrix.sum()
    observed, chance = float(np.trace(shares)), float(shares.sum(axis=1) @ shares.sum(axis=0))
    return math.nan if chance == 1 else (observed - chance) / (1 - chance)


def right_by_class(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many images of each class (classes,) were predicted right, of labels and predictions (N,)."""
    return np.bincount(labels[predicted == labels], minlength=classes)
