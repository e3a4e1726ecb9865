"""Whether what was kept of samples and thresholds agrees with what it was made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file
from scipy.stats import binom

from prunemark.disk.files import read_json
from prunemark.provenance.recompute.predictions import Arrays
from prunemark.receipts.chain import Break

ALPHA = 1e-6
# Float32 products in another order: what is further off than this was not predicted by these features and this head.
LOGITS, CONFIDENCE = 1e-3, 1e-4


def label_breaks(folder: Path, data: Path, labels: np.ndarray, truth: np.ndarray) -> Iterator[Break]:
    """Whether the labels of a scores folder are the ``truth`` about the test images it was asked to score."""
    if not np.array_equal(labels, truth):
        yield Break(f"{folder}/samples.npz", f"its labels are not those of the test images of {data}")


def original_breaks(folder: Path, samples: Arrays) -> Iterator[Break]:
    """Whether the original's predictions follow from its features and head, which are kept beside them."""
    head = {name: part.astype(np.float64) for name, part in load_file(folder / "head.safetensors").items()}
    features = load_file(folder / "features.safetensors")["features"].astype(np.float64)
    logits = (features - head["mean"]) / head["std"] @ head["weight"] + head["bias"]
    best, predicted = logits.max(axis=1), samples["predicted_frozen"].astype(np.int64)
    confidence = 1 / np.exp(logits - best[:, None]).sum(axis=1)
    wrong = logits[np.arange(len(logits)), predicted] < best - LOGITS
    wrong |= np.abs(samples["confidence_frozen"] - confidence) > CONFIDENCE
    if wrong.any():
        yield Break(
            f"{folder}/samples.npz", f"{wrong.sum()} predictions do not follow from features and head beside them"
        )


def threshold_breaks(folder: Path) -> Iterator[Break]:
    """Whether thresholds are those of the key file and, where their law is one that is known here, follow from it."""
    path = f"{folder}/calibration.json"
    trials = read_json(folder / "calibration.json")["trials"]
    with safe_open(folder / "secret.safetensors", framework="numpy") as file:
        held = json.loads(file.metadata()["prunemark"])["thresholds"]
    if [trial["threshold"] for trial in trials] != held:
        yield Break(path, "its thresholds are not those of secret.safetensors")
    for i, trial in enumerate(trials):
        least = by_law(trial)
        if least is not None and trial["threshold"] < least:
            found = f"the threshold of key {i} is {trial['threshold']:.10g}"
            law = trial["law"] or "all or nothing"
            yield Break(path, f"{found}, below the {least:.10g} of its law, {law}")


def by_law(trial: dict[str, Any]) -> float | None:
    """The least threshold that the stated law allows: of Bin(n, 1/2), the smallest k that chance reaches with at most
    1e-6; above measured nulls, the next number above all of them. Without a law it is all or nothing: what the encoder
    itself and its intact copies reach. ``None``: another law."""
    law = trial["law"]
    if law is None:
        return float(max([trial["marked"], *trial["intact"]]))
    if law.startswith("Bin(") and law.endswith(", 1/2)"):
        bits = int(law.removeprefix("Bin(").partition(",")[0])
        tails = binom.sf(np.arange(bits + 1) - 1, bits, 0.5)
        return float(np.argmax(tails <= ALPHA))
    if law.startswith("above "):
        twin = [] if trial["twin"] is None else [trial["twin"]]
        nulls = [*trial["unmarked"], *twin, *(value for value, _ in trial["wrong_keys"])]
        return math.nextafter(max(nulls), math.inf) if nulls else math.inf
    return None
