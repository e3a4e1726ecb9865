"""Accuracy, agreement, flips and similarity, from the predictions kept of every test image."""

from __future__ import annotations

import numpy as np

from prunemark.provenance.recompute.own_formulas import calibration_error, kappa, linear_cka, mcnemar, newcombe
from prunemark.provenance.recompute.reported_figures import Figures, Place, number, share

Arrays = dict[str, np.ndarray]
HEADS = ("frozen", "refit", "knn")


def accuracies(samples: Arrays) -> Figures:
    found: Figures = {}
    for head in HEADS:
        if f"predicted_{head}" not in samples:
            continue
        right = samples[f"predicted_{head}"] == samples["labels"]
        found[Place("accuracy", head)] = share("images", right.sum(), len(right))
        found[Place("error", head)] = share("images", (~right).sum(), len(right))
        if f"confidence_{head}" in samples:
            error = calibration_error(samples[f"confidence_{head}"], right)
            found[Place("calibration_error", head)] = number("probability", error, n=len(right))
        if f"left_out_{head}" in samples:
            left_out, of = map(int, samples[f"left_out_{head}"])
            found[Place("features_left_out", head)] = number("features", left_out, n=of)
    return found


def comparisons(samples: Arrays, original: Arrays) -> Figures:
    """The pruned encoder's predictions beside the original's on the same images."""
    labels = samples["labels"]
    found: Figures = {}
    for head in HEADS:
        name = f"predicted_{head}"
        if name in samples and name in original:
            if head != "knn":
                found |= agreements(labels, original[name], samples[name], head)
            found |= flips(labels, original[name], samples[name], head)
    n = len(labels)
    found[Place("feature_cosine")] = number("mean over images", float(np.mean(samples["cosine"])), n=n)
    found[Place("linear_cka")] = number("similarity", linear_cka(samples["cka_parts"].tolist()), n=n)
    return found


def agreements(labels: np.ndarray, before: np.ndarray, now: np.ndarray, head: str) -> Figures:
    parts = {
        "agreement": np.full(len(labels), True),
        "agreement_where_right": before == labels,
        "agreement_where_wrong": before != labels,
    }
    found = {
        Place(metric, head): share("images", (before[part] == now[part]).sum(), part.sum())
        for metric, part in parts.items()
        if part.any()
    }
    coefficient = kappa(before, now)
    if coefficient is not None:
        found[Place("kappa", head)] = number("coefficient", coefficient, n=len(labels))
    return found


def flips(labels: np.ndarray, before: np.ndarray, now: np.ndarray, head: str) -> Figures:
    was, still = before == labels, now == labels
    outcomes = ((True, True), (True, False), (False, True), (False, False))
    table = [int(((was == x) & (still == y)).sum()) for x, y in outcomes]
    _, broken, repaired, _ = table
    n = len(labels)
    low, high = newcombe(*table)
    change = float(still.mean() - was.mean())
    return {
        Place("broken", head): share("images", broken, n),
        Place("repaired", head): share("images", repaired, n),
        Place("accuracy_change", head): number("difference", change, n=n, ci_low=low, ci_high=high),
        Place("mcnemar_p", head): number("p-value", mcnemar(broken, repaired)),
    }
