"""One fraud, one break: each alteration must make the audit fail and name the right file."""

from __future__ import annotations

import json
import os

import forge
import frauds_chained
import frauds_reported
import pytest
from audited import Audited, named
from edits import flip_bit
from frauds_chained import TRACKED, add_a_file, edit_code_and_receipts
from places import JOURNAL, PRUNED, REPORT

from repository import Repository

FRAUDS = frauds_chained.FRAUDS | frauds_reported.FRAUDS


@pytest.mark.parametrize("fraud", FRAUDS)
def test_fraud_is_named(kept: Repository, audited: Audited, fraud: str) -> None:
    """Also where nobody but the files themselves could contradict it."""
    commit, expected = FRAUDS[fraud]
    commit(kept.folder)
    status, lines = audited(kept)
    assert status == 1
    assert named(expected, lines), lines


@pytest.mark.parametrize("fraud", TRACKED)
def test_fraud_is_named_by_dvc_or_mlflow(copy: Repository, audited: Audited, fraud: str) -> None:
    commit, expected = TRACKED[fraud]
    commit(copy.folder)
    status, lines = audited(copy)
    assert status == 1
    assert named(expected, lines), lines


def test_breaks_tell_which_numbers_depend_on_them(kept: Repository, audited: Audited) -> None:
    flip_bit(kept.folder / PRUNED / "mask.pmk")
    line = next(line for line in audited(kept)[1] if line.startswith(f"{PRUNED}/mask.pmk"))
    rows = (kept.folder / REPORT / "results.csv").read_text().splitlines()[1:]
    concerned = [row for row in rows if ",reversible,0," in row and ",magnitude,0.5," in row]
    assert f"{len(concerned)} of {len(rows)} reported numbers depend on it" in line
    assert "watermark=reversible key=0 pruner=magnitude rate=0.5" in line


def test_code_that_differs_and_says_so_is_counted(kept: Repository) -> None:
    """A declared difference is a note, not a break."""
    edit_code_and_receipts(kept.folder)
    journals = sorted((kept.folder / "data/journal").rglob("*.json"))
    for path in journals:
        text = path.read_text()
        path.write_text(text.replace('"code_differs_from_commit": false', '"code_differs_from_commit": true'))
    forge.forge(kept.folder)
    printed = kept.run("prunemark", "audit")
    assert (
        f"git: {len(journals)} of {len(journals)} receipts were made with code that differs from its commit" in printed
    )


def test_results_without_a_commit_here_are_said_to_be_unchecked(kept: Repository) -> None:
    kept.run("rm", "-rf", ".git")
    kept.git("init", "-q")
    assert "git: not checked for 36 of 36 receipts, whose commit is not in this repository" in kept.run(
        "prunemark", "audit"
    )


@pytest.mark.parametrize("history", ["shallow", "none"])
def test_a_commit_that_may_lie_elsewhere_is_said_to_be_unchecked(kept: Repository, history: str) -> None:
    forge.edit_json(kept.folder / JOURNAL, lambda entry: entry.update(commit=entry["commit"][::-1]))
    forge.forge(kept.folder)
    if history == "shallow":
        (kept.folder / ".git/shallow").write_text(kept.git("rev-parse", "HEAD"))
    else:
        kept.run("rm", "-rf", ".git")
    unknown = 1 if history == "shallow" else 36
    printed = kept.run("prunemark", "audit")
    assert f"git: not checked for {unknown} of 36 receipts, whose commit is not in this repository" in printed


def test_the_document_for_machines_says_what_lines_say(kept: Repository) -> None:
    whole = json.loads(kept.run("sh", "-c", "prunemark audit --json --recompute 2>/dev/null"))
    assert whole["holds"]
    assert [level["breaks"] for level in whole["levels"]] == [[], []]
    assert whole["levels"][1]["not_recomputed"]["macs"]["rows"] == 12
    flip_bit(kept.folder / PRUNED / "mask.pmk")
    done = kept.attempt("sh", "-c", "prunemark audit --json --recompute 2>/dev/null")
    broken = json.loads(done.stdout)
    assert done.returncode == 1
    assert not broken["holds"]
    (fault,) = [found for found in broken["levels"][0]["breaks"] if found["path"] == f"{PRUNED}/mask.pmk"]
    assert fault["reason"].startswith("sha256 is")
    assert "reported numbers depend on it" in fault["dependents"]
    assert broken["levels"][1] == {"level": "audit --recompute", "ran": False}


def test_the_command_exits_with_the_audits_status(copy: Repository) -> None:
    printed = copy.run("prunemark", "audit")
    assert "all accounted for" in printed
    assert "git: checked\ndvc.lock: checked\nMLflow: checked\n" in printed
    add_a_file(copy.folder)
    assert copy.attempt("prunemark", "audit").returncode == 1


def test_a_pipe_under_data_is_named_and_not_waited_for(copy: Repository, audited: Audited) -> None:
    os.mkfifo(copy.folder / "data/scores/pipe")
    status, lines = audited(copy)
    assert status == 1
    assert named("data/scores/pipe: neither a file nor a directory", lines)


def test_the_page_of_data_is_accepted_as_head_has_it_and_not_otherwise(kept: Repository, audited: Audited) -> None:
    page = kept.folder / "data/README.md"
    assert page.is_file()
    assert not (kept.folder / "data/.gitignore").exists()
    assert audited(kept)[0] == 0
    page.write_text(page.read_text() + "All of it is right.\n")
    status, lines = audited(kept)
    assert status == 1
    assert named("data/README.md: unexplained: HEAD has other bytes; no reported number depends on it", lines), lines
    kept.run("rm", "-rf", ".git")
    status, lines = audited(kept)
    assert status == 0


def test_without_dvc_and_mlflow_they_are_said_to_be_unchecked(kept: Repository) -> None:
    printed = kept.run("prunemark", "audit")
    assert "all accounted for" in printed
    assert "dvc.lock: not checked" in printed
    assert "MLflow: not checked" in printed


@pytest.mark.parametrize("damage", [b"\xac", b'\n"' + 200_000 * b"0"], ids=["no text", "a field without an end"])
def test_a_table_that_cannot_be_read_is_named(kept: Repository, audited: Audited, damage: bytes) -> None:
    path = kept.folder / "data/report/results.csv"
    path.write_bytes(path.read_bytes() + damage)
    status, lines = audited(kept)
    assert status == 1
    assert any(line.startswith("data/report/results.csv: ") for line in lines)
    question = kept.attempt("prunemark", "why", "0.5")
    assert question.returncode == 2
    assert "results.csv: not a table of comma-separated values: " in question.stdout
    assert len(question.stdout.splitlines()) == 1
