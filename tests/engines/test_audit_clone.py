"""What a collaborator does: clone at the recorded commit, pull, audit and replay there."""

from __future__ import annotations

import json

import forge
import pytest
from audited import named
from frauds_signed import CLONED

from repository import Repository


def test_a_clone_pulls_audits_and_replays(copy: Repository) -> None:
    """From a remote, by its name, whose address is relative to this repository."""
    copy.run("dvc", "remote", "add", "--quiet", "storage", "../storage")
    copy.run("dvc", "push", "--quiet", "--remote", "storage")
    document = json.loads(
        copy.run("sh", "-c", "prunemark audit --from-clone --remote storage --seed 3 --json 2> said.txt")
    )
    said = (copy.folder / "said.txt").read_text()
    level = document["levels"][1]
    assert document["holds"]
    assert level["commit"] == copy.git("rev-parse", "HEAD").strip()
    assert [line.removeprefix("$ ") for line in said.splitlines() if line.startswith("$ ")] == level["commands"]
    assert f" {copy.folder.parent}/storage" in level["commands"][3]
    assert [found["level"] for found in level["levels_there"]] == ["audit", "audit --replay"]
    assert level["levels_there"][1]["replayed"] == 1
    assert level["levels_there"][1]["seed"] == 3


def test_a_remote_that_lacks_something_is_a_break(copy: Repository) -> None:
    done = copy.attempt("prunemark", "audit", "--from-clone", "--remote", "../empty")
    assert done.returncode == 1
    assert "dvc pull --quiet` fails: " in done.stdout


@pytest.mark.slow
def test_of_several_commits_the_last_must_have_the_code_of_all(copy: Repository) -> None:
    """Only what changed runs again, so that steps name the commits of their time: here the report a later one. Without
    a remote the cache is used, and said so."""
    copy.git("commit", "-q", "--allow-empty", "-m", "nothing changed")
    made_at(copy, head(copy))
    printed = copy.run("prunemark", "audit", "--from-clone")
    assert f"in a clone at {head(copy)[:12]}" in printed
    assert "pulled from this repository's own cache" in printed
    assert "1 of 14 replayed, all equal" in printed

    copy.edit("src/prunemark/methods/pruners/magnitude.py", "weight.detach().abs()", "weight.abs().detach()")
    copy.commit()
    copy.git("checkout", "-q", "HEAD~", "--", "src")
    made_at(copy, head(copy))
    done = copy.attempt("prunemark", "audit", "--from-clone")
    assert done.returncode == 1
    assert "src/prunemark/methods/pruners/magnitude.py: in the clone: changed its meaning since" in done.stdout


@pytest.mark.parametrize("fraud", CLONED)
def test_a_clone_has_what_was_committed(copy: Repository, fraud: str) -> None:
    """Everything was made to agree here, and committed to DVC."""
    commit, expected = CLONED[fraud]
    commit(copy.folder)
    commit_forged(copy)
    done = copy.attempt("prunemark", "audit", "--from-clone")
    assert done.returncode == 1
    assert "all accounted for" in done.stdout
    assert named(expected, done.stdout.splitlines())


def head(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD").strip()


def made_at(repository: Repository, commit: str) -> None:
    """Let the report be one made at a commit."""
    forge.edit_json(repository.folder / "data/journal/report.json", lambda entry: entry.update(commit=commit))
    commit_forged(repository)


def commit_forged(repository: Repository) -> None:
    forge.forge(repository.folder)
    repository.run("dvc", "commit", "--force", "--quiet")
