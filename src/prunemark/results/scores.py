"""From per-sample predictions and raw statistics to the rows of the results table; nothing here needs the weights.

A row holds columns of `prunemark.results.columns` that do not name the cell; what does not apply is absent. Shares of
independent trials carry k of n and a Wilson 95 % interval; the unit names the trials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from prunemark.metrics.agreement import agreement_matrix, flips, kappa, right_by_class
from prunemark.metrics.calibration_error import calibration_error
from prunemark.metrics.intervals import mcnemar, paired_difference, upper_bound, wilson
from prunemark.metrics.similarity import linear_cka

Row = dict[str, Any]
Arrays = dict[str, np.ndarray]
HEADS = ("frozen", "refit", "knn")
DIGITS = 10


@dataclass(frozen=True)
class CheckTrials:
    """The raw statistics of one scheme, one per key, beside what was frozen before pruning.

    ``head``: through which head labels were seen, else empty. ``null_reached``: per null encoder, whether any key's
    statistic reached its threshold there. ``intact_failed``, ``intact``: false alarms among benign copies, over all
    keys. ``twin_reached``, ``bfloat16_reached``, ``forged_reached``: whether the encoder before marking, the intact one
    in bfloat16, and an unmarked one under a key fitted to it afterwards reached the threshold, where that was tried.
    ``claimed``: the false positive rate that the threshold's law promises.
    """

    name: str
    kind: str
    head: str
    statistics: np.ndarray
    thresholds: np.ndarray
    null_reached: list[bool]
    twin_reached: list[bool]
    wrong_reached: int
    wrong: int
    intact_failed: int
    intact: int
    bfloat16_reached: list[bool]
    forged_reached: list[bool]
    claimed: float | None = None


def rounded(value: float) -> float:
    """Ten significant digits: enough for any figure, and free of the last bits that summation order moves."""
    return float(f"{value:.{DIGITS}g}")


def share(metric: str, unit: str, k: int, n: int, **more: Any) -> Row:
    """The row of a share of k in n independent trials."""
    low, high = wilson(k, n)
    numbers = {"value": rounded(k / n), "k": k, "n": n, "ci_low": rounded(low), "ci_high": rounded(high)}
    return {"metric": metric, "unit": unit, **numbers, **more}


def single(metric: str, unit: str, value: float, **more: Any) -> Row:
    """The row of one measured number."""
    return {"metric": metric, "unit": unit, "value": rounded(value) if isinstance(value, float) else value, **more}


def accuracy_rows(samples: Arrays) -> list[Row]:
    """Top-1 accuracy and error under every head that made predictions; where it was kept, how far off its confidences
    are and how many features a fitted head leaves out."""
    labels, rows = samples["labels"], []
    for head in HEADS:
        if f"predicted_{head}" in samples:
            right = samples[f"predicted_{head}"] == labels
            k, n = int(right.sum()), len(labels)
            rows += [
                share("accuracy", "images", k, n, head=head),
                share("error", "images", n - k, n, head=head),
            ]
            if f"confidence_{head}" in samples:
                found = calibration_error(samples[f"confidence_{head}"], right)
                rows.append(single("calibration_error", "probability", found, n=n, head=head))
            if f"left_out_{head}" in samples:
                left_out, of = samples[f"left_out_{head}"].tolist()
                rows.append(single("features_left_out", "features", left_out, n=of, head=head))
    return rows


def agreement_rows(samples: Arrays, original: Arrays) -> list[Row]:
    """Original against pruned on the same images: agreement through either head, flips also of kNN, and how alike the
    features are.

    The frozen head is the original's for both; a refitted head is each encoder's own, fitted in the same way.
    """
    rows = []
    for head in HEADS:
        name = f"predicted_{head}"
        if name in samples and name in original:
            before, now = original[name], samples[name]
            if head != "knn":
                rows += same_rows(samples["labels"], before, now, head)
            rows += flip_rows(samples["labels"], before, now, head)
    n = len(samples["labels"])
    return [
        *rows,
        single("feature_cosine", "mean over images", float(samples["cosine"].mean()), n=n),
        single("linear_cka", "similarity", linear_cka(*samples["cka_parts"].tolist()), n=n),
    ]


def same_rows(labels: np.ndarray, before: np.ndarray, now: np.ndarray, head: str) -> list[Row]:
    """Agreement of two predictions (N,), over all images and over those that the original got right and wrong."""
    same, right, n = before == now, before == labels, len(labels)
    rows = [share("agreement", "images", int(same.sum()), n, head=head)]
    for name, part in (("agreement_where_right", right), ("agreement_where_wrong", ~right)):
        if part.any():
            rows.append(share(name, "images", int(same[part].sum()), int(part.sum()), head=head))
    classes = 1 + int(max(before.max(), now.max()))
    beyond_chance = kappa(agreement_matrix(before.astype(np.int64), now.astype(np.int64), classes))
    known = np.isfinite(beyond_chance)
    return [*rows, single("kappa", "coefficient", beyond_chance, n=n, head=head)] if known else rows


def flip_rows(labels: np.ndarray, before: np.ndarray, now: np.ndarray, head: str) -> list[Row]:
    """Broken and repaired images of two predictions (N,), what they change in accuracy, and exact McNemar."""
    changed, n, right = flips(labels, before, now), len(labels), int((before == labels).sum())
    both = right - changed.broken
    low, high = paired_difference(both, changed.broken, changed.repaired, n - right - changed.repaired)
    ends = {"ci_low": rounded(low), "ci_high": rounded(high)}
    return [
        share("broken", "images", changed.broken, n, head=head),
        share("repaired", "images", changed.repaired, n, head=head),
        single("accuracy_change", "difference", (changed.repaired - changed.broken) / n, n=n, **ends, head=head),
        single("mcnemar_p", "p-value", mcnemar(changed.broken, changed.repaired), head=head),
    ]


def check_rows(trials: CheckTrials, altered: bool) -> list[Row]:
    """AuthSR or VerSR over keys, with the false positive rate on null encoders; its complement TamperDR once altered.

    The unit of the success rate is the key. Null trials are clustered by encoder, so the false positive rate counts
    encoders on which any key reached its threshold.
    """
    reached = trials.statistics >= trials.thresholds
    k, n = int(reached.sum()), len(reached)
    metric = "VerSR" if trials.kind == "robust" else "AuthSR"
    named: Row = {"check": trials.name} | ({"head": trials.head} if trials.head else {})
    facts: Row = {
        **named,
        "statistic": rounded(float(trials.statistics.mean())),
        "threshold": rounded(float(trials.thresholds.mean())),
    }
    nulls = len(trials.null_reached)
    if nulls:
        false = sum(trials.null_reached)
        facts |= {"fpr": rounded(false / nulls), "fpr_upper": rounded(upper_bound(false, nulls))}
    rows = [share(metric, "keys", k, n, **facts)]
    if metric == "AuthSR" and altered:
        rows.append(share("TamperDR", "keys", n - k, n, **facts))
    # Calibrated before pruning, where the refitted head is the frozen one: said once.
    return rows if altered or trials.head == "refit" else rows + calibration_rows(trials, metric, named)


def calibration_rows(trials: CheckTrials, metric: str, named: Row) -> list[Row]:
    """What was tried before pruning beside the nulls: wrong keys, benign copies, the twin, bfloat16, the forger."""
    rows = []
    if trials.wrong:
        rows.append(share("wrong_key_rate", "wrong keys", trials.wrong_reached, trials.wrong, **named))
    rejected = "AuthFRR" if metric == "AuthSR" else "VerFRR"
    rows.append(share(rejected, "benign copies", trials.intact_failed, trials.intact, **named))
    tried = {
        "twin_accepted": trials.twin_reached,
        "bfloat16_accepted": trials.bfloat16_reached,
        "forger_accepted": trials.forged_reached,
    }
    rows += [share(name, "encoders", sum(found), len(found), **named) for name, found in tried.items() if found]
    return rows + ([] if trials.claimed is None else [single("claimed_fpr", "probability", trials.claimed, **named)])


def detail_rows(samples: Arrays, name: str, head: str) -> list[Row]:
    """The further raw numbers of a scheme's readings, as means over keys."""
    prefix = f"detail/{name}/{head}/"
    found = {key.removeprefix(prefix): samples[key] for key in sorted(samples) if key.startswith(prefix)}
    named: Row = {"check": name} | ({"head": head} if head else {})
    return [
        single(detail, "mean over keys", float(values.mean()), n=len(values), **named)
        for detail, values in found.items()
        if np.isfinite(values).all()
    ]


def matrix(samples: Arrays, original: Arrays, classes: int) -> list[list[int]]:
    """The agreement matrix through the frozen head: rows original, columns pruned."""
    found: list[list[int]] = agreement_matrix(
        original["predicted_frozen"].astype(np.int64), samples["predicted_frozen"].astype(np.int64), classes
    ).tolist()
    return found


def classes_right(samples: Arrays, original: Arrays, classes: int) -> dict[str, dict[str, list[int]]]:
    """Per head and class: ``n`` images, and how many the ``original`` and the ``pruned`` encoder predict right."""
    labels, found = samples["labels"].astype(np.int64), {}
    for head in ("frozen", "refit"):
        before, now = (right_by_class(labels, of[f"predicted_{head}"], classes) for of in (original, samples))
        n = np.bincount(labels, minlength=classes)
        found[head] = {"n": n.tolist(), "original": before.tolist(), "pruned": now.tolist()}
    return found
