"""Frauds that level 1 cannot see, since the project's own code makes all of it again: each must fail ``--recompute``."""

from __future__ import annotations

import json
from typing import Any

import forge
import pytest
from audited import Audited, holds
from frauds_recomputed import FORMULAS, FRAUDS

from prunemark.provenance.levels import Asked
from repository import Repository


@pytest.mark.parametrize("fraud", FRAUDS)
def test_fraud_that_level_1_cannot_see_is_named(kept: Repository, audited: Audited, fraud: str) -> None:
    commit, expected = FRAUDS[fraud]
    commit(kept.folder)
    forge.forge(kept.folder)
    status, lines = audited(kept, Asked(recompute=True))
    assert status == 1
    assert holds("audit", lines)
    assert [line for line in lines if expected in line], lines


@pytest.mark.parametrize("fraud", FORMULAS)
def test_a_wrong_formula_of_the_project_is_found(
    kept: Repository, audited: Audited, monkeypatch: pytest.MonkeyPatch, fraud: str
) -> None:
    """Level 1 asks the project's own code, which is wrong in the same way; the other code is not."""
    put_wrong, expected = FORMULAS[fraud]
    put_wrong(monkeypatch)
    forge.forge(kept.folder)
    status, lines = audited(kept, Asked(recompute=True))
    assert status == 1
    assert holds("audit", lines)
    row = next(line for line in lines if expected in line)
    number = int(row.removeprefix("data/report/results.csv:").partition(":")[0])
    said = (kept.folder / "data/report/results.csv").read_text().splitlines()[number - 1]
    assert ",magnitude,0.5,tiny,frozen,accuracy," in said
    assert row.partition("ci_low ")[2].partition(" ")[0] in said


def test_a_figure_that_nothing_kept_gives_is_named(
    kept: Repository, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric that the other code does not know is a break, never skipped."""
    import prunemark.results.scores as scores

    own = scores.accuracy_rows
    monkeypatch.setattr(scores, "accuracy_rows", lambda samples: [*own(samples), scores.single("charm", "points", 0.9)])
    forge.forge(kept.folder)
    status, lines = audited(kept, Asked(recompute=True))
    assert status == 1
    assert [line for line in lines if "charm: a figure that cannot be recomputed" in line], lines


def test_the_intact_run_is_equal_and_what_was_left_out_is_said(kept: Repository) -> None:
    printed = kept.run("prunemark", "audit", "--recompute")
    assert "all equal to 9 digits" in printed
    assert "not recomputed: macs (12 figures): " in printed
    assert "not recomputed: macs_nonzero (12 figures): " in printed
    reported = json.loads((kept.folder / "data/report/metrics.json").read_text())
    assert f"metrics.json: {sum(1 for _ in leaves(reported))} means compared" in printed


def leaves(tree: Any) -> Any:
    if isinstance(tree, dict):
        for part in tree.values():
            yield from leaves(part)
    else:
        yield tree


def test_means_and_landmarks_are_compared(kept: Repository, audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """The means by code that sums wrongly, and a knee that is not there."""
    import prunemark.results.landmarks
    import prunemark.results.table

    own = prunemark.results.table.metrics
    monkeypatch.setattr(prunemark.results.table, "metrics", lambda summaries: scaled(own(summaries)))
    monkeypatch.setattr(prunemark.results.landmarks, "knee", lambda rates, changes: 0.125)
    forge.forge(kept.folder)
    status, lines = audited(kept, Asked(recompute=True))
    assert status == 1
    for name in ("metrics.json", "landmarks.csv"):
        assert [line for line in lines if line.startswith(f"data/report/{name}: ") and "reported" in line], lines


def scaled(tree: Any) -> Any:
    return {name: scaled(part) for name, part in tree.items()} if isinstance(tree, dict) else tree * 1.0001
