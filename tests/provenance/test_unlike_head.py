"""A file of git's under data/ is compared with the bytes that HEAD has, and with nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from prunemark.provenance.commits import unlike_head

README = Path("data/README.md")
UNCHECKED = ["git: data/README.md not checked, there is no commit here"]


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=prunemark", "-c", "user.email=prunemark@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository without a commit, and the file in it."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    README.parent.mkdir()
    README.write_text("What lies here.\n")


def reasons() -> list[tuple[str, str]]:
    breaks, notes = unlike_head(README)
    assert notes == []
    return [(found.path, found.reason) for found in breaks]


def test_the_bytes_of_head_are_accepted() -> None:
    git("add", ".")
    git("commit", "-qm", "one")
    assert reasons() == []


def test_other_bytes_are_a_break_also_when_they_are_staged() -> None:
    git("add", ".")
    git("commit", "-qm", "one")
    README.write_text("What lies here\n")
    assert reasons() == [("data/README.md", "unexplained: HEAD has other bytes")]
    git("add", ".")
    assert reasons() == [("data/README.md", "unexplained: HEAD has other bytes")]
    git("commit", "-qm", "two")
    assert reasons() == []


def test_a_file_that_head_has_not_is_a_break() -> None:
    git("commit", "-qm", "none", "--allow-empty")
    assert reasons() == [("data/README.md", "unexplained: HEAD has no such file")]


def test_a_repository_in_a_folder_of_another_is_asked_for_its_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    (Path("inner") / "data").mkdir(parents=True)
    (Path("inner") / README).write_text("Another text.\n")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.chdir("inner")
    assert reasons() == []


def test_without_a_commit_it_is_said_to_be_unchecked() -> None:
    assert unlike_head(README) == ([], UNCHECKED)


def test_without_git_it_is_said_to_be_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert unlike_head(README) == ([], UNCHECKED)


def test_where_it_is_not_there_nothing_is_said() -> None:
    README.unlink()
    assert unlike_head(README) == ([], [])
