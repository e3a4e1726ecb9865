"""Ways to cheat that level 1 cannot see, since the project's own code makes all of it again from altered files; each
with the break that it must be in ``--recompute``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import numpy as np
import pytest
from places import MARKED, MASKS, ORIGINAL, PRUNED, SCORES

import prunemark.results.scores
from prunemark.metrics.intervals import wilson

Edit = Callable[[Path], None]


def another_datasets_results(folder: Path) -> None:
    """Labels and predictions of other images, an easier set."""

    def easier(arrays: dict[str, np.ndarray]) -> None:
        others = np.roll(arrays["labels"], 5)
        arrays.update({name: others for name in arrays if name == "labels" or name.startswith("predicted_")})

    forge.edit_samples(folder / SCORES, easier)


def labels_from_predictions(folder: Path) -> None:
    """What is predicted is called right: the labels of some other images."""
    forge.edit_samples(folder / SCORES, lambda arrays: arrays.update(labels=arrays["predicted_frozen"]))


def better_original(folder: Path) -> None:
    """The original is right where it was wrong, and every comparison with it follows."""
    forge.edit_samples(folder / ORIGINAL, lambda arrays: arrays.update(predicted_frozen=arrays["labels"]))


def changed_threshold(folder: Path) -> None:
    """Whatever it reads, the encoder passes."""
    forge.edit_json(folder / MARKED / "calibration.json", lambda content: content["trials"][0].update(threshold=0.0))


def threshold_of_the_key_file(folder: Path) -> None:
    """The same, and the key file says so too."""
    forge.change_threshold(folder / MARKED, threshold=0.0)


def threshold_below_its_law(folder: Path) -> None:
    forge.change_threshold(folder / MARKED, threshold=50.0, law="Bin(64, 1/2)")


def smaller_size(folder: Path) -> None:
    def halve(content: Any) -> None:
        content["sizes"]["stored_bytes"] //= 2

    forge.edit_json(folder / SCORES / "scores.json", halve)


def fewer_weights(folder: Path) -> None:
    def more(content: Any) -> None:
        content["sizes"]["removed"] += 1000

    forge.edit_json(folder / SCORES / "scores.json", more)


def move_between_layers(folder: Path) -> None:
    """As many weights removed, but from elsewhere, in both files that count them."""
    kept, scores = folder / PRUNED / "sparsity.json", folder / SCORES / "scores.json"

    def move(content: Any) -> None:
        first, second = list(content["layers"].values())[:2]
        first["removed"] -= 1
        second["removed"] += 1

    forge.edit_json(kept, move)
    layers = {name: [at["removed"], at["total"]] for name, at in forge.read_json(kept)["layers"].items()}
    forge.edit_json(scores, lambda content: content["sizes"].update(layers=layers))


def hidden_check(folder: Path) -> None:
    def hide(arrays: dict[str, np.ndarray]) -> None:
        del arrays["statistic/sha256/"]

    forge.edit_samples(folder / SCORES, hide)


def mask_of_another_kind(folder: Path) -> None:
    """A smaller encoder's mask in the place of a mask of single weights: other counts in every layer."""
    for name in ("mask.pmk", "sparsity.json"):
        shutil.copyfile(folder / MASKS / "l1-filter/0.5" / name, folder / PRUNED / name)


FRAUDS: dict[str, tuple[Edit, str]] = {
    "results of another dataset: labels and predictions": (
        another_datasets_results,
        f"{SCORES}/samples.npz: its labels are not those",
    ),
    "results of another dataset: labels": (labels_from_predictions, f"{SCORES}/samples.npz: its labels are not those"),
    "better predictions of the original": (better_original, f"{ORIGINAL}/samples.npz: "),
    "a changed threshold: in the calibration": (
        changed_threshold,
        f"{MARKED}/calibration.json: its thresholds are not those of secret",
    ),
    "a changed threshold: in the key file, too": (
        threshold_of_the_key_file,
        "the threshold of key 0 is 0, below the 1 of its law, all or nothing",
    ),
    "a changed threshold: below a law": (
        threshold_below_its_law,
        "the threshold of key 0 is 50, below the 51 of its law",
    ),
    "a smaller size": (smaller_size, "stored_bytes: value "),
    "a sparsity that the mask has not": (fewer_weights, "sparsity: value "),
    "a sparsity that the mask has not: of two layers": (
        move_between_layers,
        f"{PRUNED}/sparsity.json: its layers are not those of the mask",
    ),
    "a check left out": (hidden_check, f"{SCORES}/samples.npz: holds no statistic of sha256"),
    "a mask copied from another cell": (mask_of_another_kind, "magnitude/0.5/tiny nonzeros: value "),
}


def wrong_interval(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prunemark.results.scores, "wilson", lambda k, n: (wilson(k, n)[0] * 1.00000001, wilson(k, n)[1]))


# Wrong in the project's own code, which level 1 asks.
FORMULAS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "a wrong formula of the project itself": (wrong_interval, "magnitude/0.5/tiny accuracy frozen: ci_low "),
}
