"""The status of an answer is the answer's, whatever becomes of standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRONG = "| model | accuracy (%) | n |\n|---|---|---|\n| a | 81.37 | 100 |\n"
RIGHT = WRONG.replace("81.37", "81")
WHY = ("why", "0.413", "--run", "examples/pruning")


def status(arguments: tuple[str, ...], stdout: int, **given: object) -> tuple[int, str]:
    """Exit status and what was said on stderr."""
    command = [sys.executable, "-m", "prunemark", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True, **given)  # type: ignore[call-overload]
    return done.returncode, done.stderr


def closed_pipe() -> int:
    """Where one can write to nobody."""
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.fixture(params=["right", "wrong"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, int]:
    """The path of a table, and the status that check-table has for it."""
    (tmp_path / "table.md").write_text(RIGHT if request.param == "right" else WRONG)
    return str(tmp_path / "table.md"), int(request.param == "wrong")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_changes_no_answer(table: tuple[str, int], unbuffered: str) -> None:
    path, expected = table
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    assert status(("check-table", path), subprocess.DEVNULL, env=environment) == (expected, "")
    write = closed_pipe()
    assert status(("check-table", path), write, env=environment) == (expected, "")
    os.close(write)


def test_a_reader_who_has_read_enough_changes_no_answer() -> None:
    """More lines than a pipe holds, of which one is read."""
    shell = f"{sys.executable} -m prunemark why 'accuracy[pruner=magnitude]' --run examples/pruning --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_a_closed_stream_changes_no_answer(table: tuple[str, int]) -> None:
    path, expected = table
    shell = f"exec {sys.executable} -m prunemark check-table {path} >&-"
    assert subprocess.run(["bash", "-c", shell], cwd=ROOT, stderr=subprocess.PIPE).returncode == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_and_changes_no_answer(table: tuple[str, int]) -> None:
    path, expected = table
    with open("/dev/full", "w") as full:
        said = "prunemark: standard output: No space left on device\n"
        assert status(("check-table", path), full.fileno()) == (expected, said)
        # What is printed here is the result itself, and no answer.
        printed = ("report", "--format", "csv", "--run", "examples/pruning")
        assert status(printed, full.fileno()) == (2, said)


def test_an_error_without_a_reader_has_its_status() -> None:
    write = closed_pipe()
    command = [sys.executable, "-m", "prunemark", "check-table", "LICENSE"]
    assert subprocess.run(command, cwd=ROOT, stdout=write, stderr=write).returncode == 2
    os.close(write)
