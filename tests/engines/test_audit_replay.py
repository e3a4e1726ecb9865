"""Frauds with every hash, score and report made consistent: only running the cell again tells."""

from __future__ import annotations

import py_compile
from collections.abc import Callable
from pathlib import Path

import forge
import numpy as np
import pytest
from audited import Audited, holds, named
from frauds_replayed import FRAUDS, better_scores
from places import SCORES

from prunemark.provenance.levels import Asked
from repository import Repository


@pytest.mark.parametrize("fraud", FRAUDS)
def test_consistent_fraud_is_caught_when_its_cell_is_drawn(kept: Repository, audited: Audited, fraud: str) -> None:
    commit, cell, expected = FRAUDS[fraud]
    commit(kept.folder)
    forge.forge(kept.folder)
    before = kept.hashes()
    asked = Asked(recompute=True, replay=1, seed=forge.seed_that_draws_first(kept.folder, cell))
    status, lines = audited(kept, asked)
    assert status == 1
    assert holds("audit", lines)
    assert holds("audit --recompute", lines)
    assert named(expected, lines), lines
    assert kept.hashes() == before


def test_the_intact_run_is_equal_bit_for_bit(kept: Repository, audited: Audited) -> None:
    """A pruned, a shrunk, a recovered, an altered cell, an original and a control: all 14 of them."""
    everything = {path: path.read_bytes() for path in (kept.folder / "data").rglob("*") if path.is_file()}
    status, lines = audited(kept, Asked(replay=14, seed=0))
    assert status == 0, lines
    assert lines[-1].startswith("audit --replay: 14 of 14 replayed, all equal: at most 0.0% of the 14 cells are wrong")
    assert {path: path.read_bytes() for path in (kept.folder / "data").rglob("*") if path.is_file()} == everything


def test_compiled_files_that_no_receipt_names_do_not_run(kept: Repository) -> None:
    """Python takes such a file in the place of its source, whatever that says by now."""
    source = kept.folder / "src/prunemark/methods/pruners/magnitude.py"
    honest = source.read_text()
    source.write_text(honest.replace(".abs()", ""))
    assert source.read_text() != honest
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), doraise=True, invalidation_mode=unchecked)
    source.write_text(honest)
    seed = str(forge.seed_that_draws_first(kept.folder, SCORES))
    assert "1 of 14 replayed, all equal" in kept.run("prunemark", "audit", "--replay", "1", "--seed", seed)


def test_a_budget_replays_at_least_one_cell_and_prints_its_seed(kept: Repository) -> None:
    printed = kept.run("prunemark", "audit", "--budget", "0.1s")
    assert " of 14 replayed, all equal" in printed
    assert "replay: seed " in printed


@pytest.mark.parametrize(("edit", "status"), [(None, 0), (better_scores, 1)])
def test_on_another_machine_numbers_are_compared_within_tolerance(
    kept: Repository, audited: Audited, edit: Callable[[Path], None] | None, status: int
) -> None:
    for path in (kept.folder / "data/journal").rglob("*.json"):
        forge.edit_json(path, lambda entry: entry.update(cpu="another processor"))
    if edit:
        edit(kept.folder)
    else:
        forge.edit_samples(kept.folder / SCORES, one_last_digit)
    forge.forge(kept.folder)
    found, lines = audited(kept, Asked(replay=1, seed=forge.seed_that_draws_first(kept.folder, SCORES)))
    assert found == status, lines
    said = [line for line in lines if line.startswith(f"{SCORES}/scores.json: replayed, accuracy frozen is ")]
    assert bool(said) == bool(status)


def one_last_digit(arrays: dict[str, np.ndarray]) -> None:
    """What another order of summation moves: enough for other bytes."""
    arrays["cosine"][0] -= 1e-9
