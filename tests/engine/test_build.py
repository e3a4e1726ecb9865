"""What the wrapper is asked for is checked before anything is read or locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunemark.commands.command_line import run


@pytest.mark.parametrize("cores", ["0", "-1", "x", "1.5", "", "\u00b2", "00", "All", "1e3", "9" * 5000])
def test_impossible_numbers_of_cores_are_refused_at_once(
    cores: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["prunemark", "build", "--cores", cores])
    assert run() == 2
    said = f"prunemark: --cores: {cores[:40]!r} is not allowed: a whole number from 1, or all\n"
    assert capsys.readouterr().err == said
    assert list(tmp_path.iterdir()) == []
