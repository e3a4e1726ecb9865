"""Ways to cheat with every hash, score and report made consistent, each with the break that it must be when the cell
named is executed again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import forge
import numpy as np
from places import CELLS, MARKED, MASKS, ORIGINAL, PRUNED, SCORES


def better_scores(folder: Path) -> None:
    """The pruned encoder predicts every label right."""

    def right(arrays: dict[str, np.ndarray]) -> None:
        arrays.update(predicted_frozen=arrays["labels"], predicted_refit=arrays["labels"])

    forge.edit_samples(folder / SCORES, right)


def another_rates_cell(folder: Path) -> None:
    """Scores of a cell that was pruned less: those of the original, whose features are its own."""

    def unpruned(arrays: dict[str, np.ndarray]) -> None:
        original = forge.read_arrays(folder / ORIGINAL / "samples.npz")
        arrays.update({name: original[name] for name in original if name in arrays})
        arrays.update(cosine=np.ones_like(arrays["cosine"]), cka_parts=np.ones(3))

    forge.edit_samples(folder / SCORES, unpruned)


def another_pruners_cell(folder: Path) -> None:
    """Random pruning passed off as pruning by magnitude, mask and scores and all."""
    for name in ("mask.pmk", "sparsity.json"):
        shutil.copyfile(folder / MASKS / "random/0.5" / name, folder / PRUNED / name)
    for name in ("samples.npz", "scores.json"):
        shutil.copyfile(folder / CELLS / "random/0.5/tiny" / name, folder / SCORES / name)


def another_datasets_accuracy(folder: Path) -> None:
    """As many right as on another dataset, each beside the label of this one's image."""

    def as_good(arrays: dict[str, np.ndarray]) -> None:
        labels = arrays["labels"]
        wrong = np.arange(len(labels)) % 10 == 0
        arrays["predicted_refit"] = np.where(wrong, np.roll(labels, 10), labels)

    forge.edit_samples(folder / SCORES, as_good)


def intact_where_altered(folder: Path) -> None:
    """A fragile check that seems to take the pruned encoder for the released one."""

    def intact(arrays: dict[str, np.ndarray]) -> None:
        arrays["statistic/sha256/"] = np.ones_like(arrays["statistic/sha256/"])

    forge.edit_samples(folder / SCORES, intact)


def wrong_key(folder: Path) -> None:
    """Another's key in the place of the right one, whose verdicts stay: it seems to authenticate the original."""
    forge.another_key(folder / MARKED / "secret.safetensors")


# By the way: what is done, the cell that is drawn, and the break.
FRAUDS: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a forged receipt with consistent hashes": (
        better_scores,
        SCORES,
        f"{SCORES}/samples.npz: replayed, it has other bytes; ",
    ),
    "a cell copied from another rate": (
        another_rates_cell,
        SCORES,
        f"{SCORES}/scores.json: replayed, accuracy frozen is ",
    ),
    "a cell copied from another pruner": (
        another_pruners_cell,
        SCORES,
        f"{PRUNED}/mask.pmk: replayed, it has ",
    ),
    "results of another dataset under the right labels": (
        another_datasets_accuracy,
        SCORES,
        f"{SCORES}/scores.json: replayed, accuracy refit is ",
    ),
    "a check that seems to pass": (
        intact_where_altered,
        SCORES,
        f"{SCORES}/scores.json: replayed, AuthSR sha256 is 0.0, ",
    ),
    "a wrong key passed off as right": (
        wrong_key,
        ORIGINAL,
        f"{ORIGINAL}/scores.json: replayed, AuthSR reversible is 0.0, recorded is 1.0",
    ),
}
