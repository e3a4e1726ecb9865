"""What a journal may name as its commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from prunemark.provenance.commits import could_be, digits


@pytest.mark.parametrize(("format", "length"), [("sha1", 40), ("sha256", 64)])
def test_a_commit_has_as_many_digits_as_the_repository_gives(
    format: str, length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", f"--object-format={format}"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    assert [count for count in (0, 39, 40, 41, 63, 64, 65) if could_be("a" * count, digits())] == [length]
    assert not could_be("A" * length, digits())
    assert could_be(None, digits())


def test_without_a_repository_either_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert could_be("a" * 40, digits())
    assert could_be("a" * 64, digits())
