"""A command that the fork server runs is the command: same output, status, directory, and no survivor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from prunemark.engine import forkserver, forkserver_client


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with forkserver.started() as address:
        deadline = time.monotonic() + 60
        while not Path(address[forkserver_client.ADDRESS]).exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield {**os.environ, **address}


def prunemark(*arguments: str, environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prunemark", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fetch", "--help"),
        ("fetch", "--dataset", "x"),
        ("audit",),
        ("prune", "--data", "d", "--marked", "m", "--method", "none", "--scope", "global", "--rate", "0.5",
         "--seed", "0", "--threads", "1", "--out", "o"),
    ],
)  # fmt: skip
def test_same_output_and_status(arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in environment.items() if name != forkserver_client.ADDRESS}
    here = prunemark(*arguments, environment=without, cwd=tmp_path)
    there = prunemark(*arguments, environment=environment, cwd=tmp_path)
    assert (there.returncode, there.stdout, there.stderr) == (here.returncode, here.stdout, here.stderr)


def test_a_dataset_is_fetched_into_the_callers_directory(environment: dict[str, str], tmp_path: Path) -> None:
    arguments = [
        "fetch",
        "--dataset",
        "mini",
        "--method",
        "fashion-mnist-mini",
        "--heldout",
        "10",
        "--keypool",
        "10",
        "--out",
        "data/raw/mini",
    ]
    written = []
    for name, more in (("there", environment), ("here", {**environment, forkserver_client.ADDRESS: ""})):
        (tmp_path / name).mkdir()
        assert prunemark(*arguments, environment=more, cwd=tmp_path / name).returncode == 0
        written.append({p.name: p.read_bytes() for p in (tmp_path / name / "data/raw/mini").iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"images.safetensors", "dataset.json", "receipt.json"}


def test_a_killed_caller_takes_its_work_along(environment: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "params.yaml")
    command = [sys.executable, "-m", "prunemark", "audit"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)

    def working() -> list[psutil.Process]:
        return [p for p in psutil.process_iter() if p.pid != process.pid and here(p)]

    def here(candidate: psutil.Process) -> bool:
        try:
            return candidate.cwd() == str(tmp_path)
        except psutil.Error:
            return False

    deadline = time.monotonic() + 30
    while not working():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    while working():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_edited_source_is_not_run_by_a_zygote_that_imported_the_old_one(tmp_path: Path) -> None:
    address, source = tmp_path / "forkserver", tmp_path / "package/inner/module.py"
    assert forkserver_client.edited_since_start(str(address), str(tmp_path)), "there is no fork server"
    source.parent.mkdir(parents=True)
    source.touch()
    address.touch()
    os.utime(source, ns=(1_000, 1_000))
    os.utime(address, ns=(2_000, 2_000))
    assert not forkserver_client.edited_since_start(str(address), str(source.parents[1]))
    os.utime(source, ns=(2_000, 2_000))
    assert forkserver_client.edited_since_start(str(address), str(source.parents[1]))
