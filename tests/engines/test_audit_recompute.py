"""Frauds that level 1 cannot see, since the project's own code makes all of it again: each must fail ``--recompute``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import numpy as np
import pytest
from audited import Audited, holds
from repository import Repository

from prunemark.provenance.levels import Asked
from prunemark.store import read_tensors, write_tensors

MARKED = "data/marked/tiny/simclr/0/reversible/0"
CELLS = "data/scores/tiny/simclr/0/reversible/0"
SCORES, ORIGINAL = f"{CELLS}/magnitude/0.5/tiny", f"{CELLS}/original/0/tiny"
PRUNED = "data/pruned/tiny/simclr/0/reversible/0"
Edit = Callable[[Path], None]


def labels_of_another_dataset(folder: Path) -> None:
    """What is predicted is called right: the labels of some other images."""
    forge.edit_samples(folder / SCORES, lambda arrays: arrays.update(labels=arrays["predicted_frozen"]))


def better_original(folder: Path) -> None:
    """The original is right where it was wrong, and every comparison with it follows."""
    forge.edit_samples(folder / ORIGINAL, lambda arrays: arrays.update(predicted_frozen=arrays["labels"]))


def changed_threshold(folder: Path) -> None:
    """The authentic encoder of a later release passes, too."""

    def lower(content: Any) -> None:
        content["trials"][0]["threshold"] = 0.0

    forge.edit_json(folder / MARKED / "calibration.json", lower)


def smaller_size(folder: Path) -> None:
    def halve(content: Any) -> None:
        content["sizes"]["stored_bytes"] //= 2

    forge.edit_json(folder / SCORES / "scores.json", halve)


def fewer_weights(folder: Path) -> None:
    """A sparsity that the mask has not."""

    def more(content: Any) -> None:
        content["sizes"]["removed"] += 1000

    forge.edit_json(folder / SCORES / "scores.json", more)


def hidden_check(folder: Path) -> None:
    def hide(arrays: dict[str, np.ndarray]) -> None:
        del arrays["statistic/sha256/"]

    forge.edit_samples(folder / SCORES, hide)


def mask_of_another_kind(folder: Path) -> None:
    """A smaller encoder's mask in the place of a mask of single weights: other counts in every layer."""
    for name in ("mask.pmk", "sparsity.json"):
        shutil.copyfile(folder / PRUNED / "l1-filter/0.5" / name, folder / PRUNED / "magnitude/0.5" / name)


FRAUDS: dict[str, tuple[Edit, str]] = {
    "labels of another dataset": (labels_of_another_dataset, f"{SCORES}/samples.npz: its labels are not those"),
    "better predictions of the original": (better_original, f"{ORIGINAL}/samples.npz: "),
    "a changed threshold": (changed_threshold, f"{MARKED}/calibration.json: its thresholds are not those of secret"),
    "a smaller size": (smaller_size, "stored_bytes: value "),
    "a sparsity that the mask has not": (fewer_weights, "sparsity: value "),
    "a check that is not mentioned": (hidden_check, f"{SCORES}/samples.npz: holds no statistic of sha256"),
    "a mask copied from another cell": (mask_of_another_kind, "magnitude/0.5/tiny nonzeros: value "),
}


@pytest.mark.parametrize("fraud", FRAUDS)
def test_fraud_that_level_1_cannot_see_is_named(copy: Repository, audited: Audited, fraud: str) -> None:
    commit, expected = FRAUDS[fraud]
    commit(copy.folder)
    forge.forge(copy.folder)
    status, lines = audited(Asked(recompute=True))
    assert status == 1
    assert holds("audit", lines)
    assert [line for line in lines if expected in line], lines


def test_a_threshold_below_its_law_is_named(copy: Repository, audited: Audited) -> None:
    """Where the key file was made to agree, the law of the threshold still speaks."""

    def lower(content: Any) -> None:
        content["trials"][0] |= {"law": "Bin(64, 1/2)", "threshold": 50.0}

    forge.edit_json(copy.folder / MARKED / "calibration.json", lower)
    tensors, header = read_tensors(copy.folder / MARKED / "secret.safetensors")
    write_tensors(copy.folder / MARKED / "secret.safetensors", tensors, header | {"thresholds": [50.0]})
    forge.forge(copy.folder)
    status, lines = audited(Asked(recompute=True))
    assert status == 1
    assert [line for line in lines if "the threshold of key 0 is 50, below the 51 of its law" in line], lines


def test_a_wrong_formula_of_the_project_is_found(
    copy: Repository, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Level 1 asks the project's own code, which is wrong in the same way; the other code is not."""
    import prunemark.scores
    from prunemark.metrics.intervals import wilson

    monkeypatch.setattr(prunemark.scores, "wilson", lambda k, n: (wilson(k, n)[0] * 1.00000001, wilson(k, n)[1]))
    forge.forge(copy.folder)
    status, lines = audited(Asked(recompute=True))
    assert status == 1
    assert holds("audit", lines)
    row = next(line for line in lines if "magnitude/0.5/tiny accuracy frozen: ci_low " in line)
    number = int(row.removeprefix("data/report/results.csv:").partition(":")[0])
    said = (copy.folder / "data/report/results.csv").read_text().splitlines()[number - 1]
    assert ",magnitude,0.5,tiny,frozen,accuracy," in said
    assert row.partition("ci_low ")[2].partition(" ")[0] in said


def test_a_figure_that_nothing_kept_gives_is_named(
    copy: Repository, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric that the other code does not know is a break, never skipped."""
    import prunemark.scores as scores

    own = scores.accuracy_rows
    monkeypatch.setattr(scores, "accuracy_rows", lambda samples: [*own(samples), scores.single("charm", "points", 0.9)])
    forge.forge(copy.folder)
    status, lines = audited(Asked(recompute=True))
    assert status == 1
    assert [line for line in lines if "charm: a figure that cannot be recomputed" in line], lines


def test_the_intact_run_is_equal_and_what_was_left_out_is_said(copy: Repository) -> None:
    printed = copy.run("prunemark", "audit", "--recompute")
    assert "all equal to 9 digits" in printed
    assert "not recomputed: macs (12 figures): " in printed
    assert "not recomputed: macs_nonzero (12 figures): " in printed
    reported = json.loads((copy.folder / "data/report/metrics.json").read_text())
    assert f"metrics.json: {sum(1 for _ in leaves(reported))} means compared" in printed


def leaves(tree: Any) -> Any:
    if isinstance(tree, dict):
        for part in tree.values():
            yield from leaves(part)
    else:
        yield tree


def test_means_and_landmarks_are_compared(copy: Repository, audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """The means by code that sums wrongly, and a knee that is not there."""
    import prunemark.landmarks
    import prunemark.results

    own = prunemark.results.metrics
    monkeypatch.setattr(prunemark.results, "metrics", lambda summaries: scaled(own(summaries)))
    monkeypatch.setattr(prunemark.landmarks, "knee", lambda rates, changes: 0.125)
    forge.forge(copy.folder)
    status, lines = audited(Asked(recompute=True))
    assert status == 1
    for name in ("metrics.json", "landmarks.csv"):
        assert [line for line in lines if line.startswith(f"data/report/{name}: ") and "reported" in line], lines


def scaled(tree: Any) -> Any:
    return {name: scaled(part) for name, part in tree.items()} if isinstance(tree, dict) else tree * 1.0001
