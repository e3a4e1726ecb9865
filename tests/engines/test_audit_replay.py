"""Frauds with every hash, score and report made consistent: only running the cell again tells."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import forge
import numpy as np
import pytest
from audited import Audited, holds
from repository import Repository

from prunemark import grid
from prunemark.params_file import read_params
from prunemark.provenance.levels import Asked
from prunemark.provenance.sample import drawn

CELLS = "data/scores/tiny/simclr/0/reversible/0"
PRUNED = "data/pruned/tiny/simclr/0/reversible/0"
SCORES = f"{CELLS}/magnitude/0.5/tiny"


def seed_that_draws_first(folder: Path, cell: str) -> int:
    steps = grid.all_steps(read_params(folder / "params.yaml"))
    cells = [step for step in steps if "scores.json" in step.folder.names]
    return next(seed for seed in range(1000) if str(drawn(cells, seed)[0][0].folder) == cell)


def better_scores(folder: Path) -> None:
    """The pruned encoder predicts every label right."""

    def right(arrays: dict[str, np.ndarray]) -> None:
        arrays.update(predicted_frozen=arrays["labels"], predicted_refit=arrays["labels"])

    forge.edit_samples(folder / SCORES, right)


def another_rates_cell(folder: Path) -> None:
    """Scores of a cell that was pruned less: those of the original, whose features are its own."""

    def unpruned(arrays: dict[str, np.ndarray]) -> None:
        original = forge.read_arrays(folder / CELLS / "original/0/tiny/samples.npz")
        arrays.update({name: original[name] for name in original if name in arrays})
        arrays.update(cosine=np.ones_like(arrays["cosine"]), cka_parts=np.ones(3))

    forge.edit_samples(folder / SCORES, unpruned)


def another_pruners_cell(folder: Path) -> None:
    """Random pruning passed off as pruning by magnitude, mask and scores and all."""
    for name in ("mask.pmk", "sparsity.json"):
        shutil.copyfile(folder / PRUNED / "random/0.5" / name, folder / PRUNED / "magnitude/0.5" / name)
    for name in ("samples.npz", "scores.json"):
        shutil.copyfile(folder / CELLS / "random/0.5/tiny" / name, folder / SCORES / name)


def intact_where_altered(folder: Path) -> None:
    """A fragile check that seems to take the pruned encoder for the released one."""

    def intact(arrays: dict[str, np.ndarray]) -> None:
        arrays["statistic/sha256/"] = np.ones_like(arrays["statistic/sha256/"])

    forge.edit_samples(folder / SCORES, intact)


FRAUDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "altered scores": (better_scores, f"{SCORES}/samples.npz: replayed, it has other bytes; "),
    "a cell copied from another rate": (another_rates_cell, f"{SCORES}/scores.json: replayed, accuracy frozen is "),
    "a cell copied from another pruner": (another_pruners_cell, f"{PRUNED}/magnitude/0.5/mask.pmk: replayed, it has "),
    "a check that seems to pass": (intact_where_altered, f"{SCORES}/scores.json: replayed, AuthSR sha256 is 0.0, "),
}


@pytest.mark.parametrize("fraud", FRAUDS)
def test_consistent_fraud_is_caught_when_its_cell_is_drawn(copy: Repository, audited: Audited, fraud: str) -> None:
    commit, expected = FRAUDS[fraud]
    commit(copy.folder)
    forge.forge(copy.folder)
    before = copy.hashes()
    asked = Asked(recompute=True, replay=1, seed=seed_that_draws_first(copy.folder, SCORES))
    status, lines = audited(asked)
    assert status == 1
    assert holds("audit", lines)
    assert holds("audit --recompute", lines)
    assert [line for line in lines if line.startswith(expected)], lines
    assert copy.hashes() == before


def test_the_intact_run_is_equal_bit_for_bit(copy: Repository, audited: Audited) -> None:
    """A pruned, a shrunk, a recovered, an altered cell, an original and a control: all 14 of them."""
    everything = {path: path.read_bytes() for path in (copy.folder / "data").rglob("*") if path.is_file()}
    status, lines = audited(Asked(replay=14, seed=0))
    assert status == 0, lines
    assert lines[-1].startswith("audit --replay: 14 of 14 replayed, all equal: at most 0.0% of the 14 cells are wrong")
    assert {path: path.read_bytes() for path in (copy.folder / "data").rglob("*") if path.is_file()} == everything


def test_a_budget_replays_at_least_one_cell_and_prints_its_seed(copy: Repository) -> None:
    printed = copy.run("prunemark", "audit", "--budget", "0.1s")
    assert " of 14 replayed, all equal" in printed
    assert "replay: seed " in printed


@pytest.mark.parametrize(("edit", "status"), [(None, 0), (better_scores, 1)])
def test_on_another_machine_numbers_are_compared_within_tolerance(
    copy: Repository, audited: Audited, edit: Callable[[Path], None] | None, status: int
) -> None:
    for path in (copy.folder / "data/journal").rglob("*.json"):
        forge.edit_json(path, lambda entry: entry.update(cpu="another processor"))
    if edit:
        edit(copy.folder)
    else:
        forge.edit_samples(copy.folder / SCORES, one_last_digit)
    forge.forge(copy.folder)
    found, lines = audited(Asked(replay=1, seed=seed_that_draws_first(copy.folder, SCORES)))
    assert found == status, lines
    said = [line for line in lines if line.startswith(f"{SCORES}/scores.json: replayed, accuracy frozen is ")]
    assert bool(said) == bool(status)


def one_last_digit(arrays: dict[str, np.ndarray]) -> None:
    """What another order of summation moves: enough for other bytes."""
    arrays["cosine"][0] -= 1e-9
