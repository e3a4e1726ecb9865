"""Success rates of watermarks and checks, from raw statistics and the calibration that was frozen before pruning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from prunemark.disk.files import read_json
from prunemark.provenance.recompute.own_formulas import clopper_pearson_upper
from prunemark.provenance.recompute.predictions import Arrays
from prunemark.provenance.recompute.reported_figures import Figure, Figures, Place, mean, number, share

HEADS = ("", "frozen", "refit")
TRIED = {"twin": "twin_accepted", "bfloat16": "bfloat16_accepted", "forged": "forger_accepted"}
Trial = dict[str, Any]


def scheme_figures(samples: Arrays, folders: dict[str, Path], pruned: bool) -> Figures:
    """``folders``: where the calibration of every scheme lies, by the scheme's name."""
    found: Figures = {}
    for name, folder in folders.items():
        calibration = read_json(folder / "calibration.json")
        for head in HEADS:
            if f"statistic/{name}/{head}" in samples:
                statistics, trials = samples[f"statistic/{name}/{head}"], calibration["trials"]
                found |= success(name, head, calibration["kind"], statistics, trials, pruned)
                if not pruned and head != "refit":
                    found |= tried_before(name, head, calibration["kind"], trials)
    return found | details(samples)


def success(
    name: str, head: str, kind: str, statistics: np.ndarray, trials: list[Trial], pruned: bool
) -> dict[Place, Figure]:
    """Keys whose statistic reaches its threshold, beside null encoders on which any key's does."""
    reached = sum(bool(s >= t["threshold"]) for s, t in zip(statistics, trials, strict=True))
    facts: Figure = {"statistic": mean(statistics), "threshold": mean([t["threshold"] for t in trials])}
    nulls = list(zip(*(t["unmarked"] for t in trials), strict=True))
    if nulls:
        limits = [t["threshold"] for t in trials]
        false = sum(any(s >= t for s, t in zip(null, limits, strict=True)) for null in nulls)
        facts |= {"fpr": false / len(nulls), "fpr_upper": clopper_pearson_upper(false, len(nulls))}
    n = len(statistics)
    if kind == "robust":
        return {Place("VerSR", head, name): share("keys", reached, n, **facts)}
    found = {Place("AuthSR", head, name): share("keys", reached, n, **facts)}
    if pruned:
        found[Place("TamperDR", head, name)] = share("keys", n - reached, n, **facts)
    return found


def tried_before(name: str, head: str, kind: str, trials: list[Trial]) -> Figures:
    """Wrong keys, benign copies, the twin, bfloat16 and the forger, each against the threshold of its own key."""
    found: Figures = {}
    wrong = [(value >= t["threshold"], count) for t in trials for value, count in t["wrong_keys"]]
    if wrong:
        n = sum(count for _, count in wrong)
        found[Place("wrong_key_rate", head, name)] = share("wrong keys", sum(c for over, c in wrong if over), n)
    intact = [value < t["threshold"] for t in trials for value in t["intact"]]
    rejected = "VerFRR" if kind == "robust" else "AuthFRR"
    found[Place(rejected, head, name)] = share("benign copies", sum(intact), len(intact))
    for what, metric in TRIED.items():
        over = [t[what] >= t["threshold"] for t in trials if t[what] is not None]
        if over:
            found[Place(metric, head, name)] = share("encoders", sum(over), len(over))
    claimed = [t["p_value"] for t in trials if t["p_value"] is not None]
    if claimed:
        found[Place("claimed_fpr", head, name)] = number("probability", max(claimed))
    return found


def details(samples: Arrays) -> Figures:
    """Means over keys of the further raw numbers, where every key has one."""
    found: Figures = {}
    for (check, head, metric), values in detailed(samples):
        if np.isfinite(values).all():
            found[Place(metric, head, check)] = number("mean over keys", mean(values), n=len(values))
    return found


def detailed(samples: Arrays) -> Iterator[tuple[tuple[str, str, str], np.ndarray]]:
    for name, values in samples.items():
        if name.startswith("detail/"):
            _, check, head, metric = name.split("/")
            yield (check, head, metric), values
