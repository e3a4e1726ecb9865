"""Whether a classifier is as often right as it is confident."""

from __future__ import annotations

import numpy as np

BINS = 15


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3, M = 15).

    Args:
        confidence: the probability of the predicted class, (N,) in [0, 1].
        right: whether that class is the label, (N,).

    Returns:
        The mean over images of the gap between accuracy and mean confidence of the image's bin; bin m of 15 is
        ((m - 1) / 15, m / 15], and 0 belongs to the first.
    """
    bins = np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right.astype(np.float64) - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))
