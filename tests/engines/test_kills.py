"""Killed at any moment, a build goes on with the same command and ends with the same bytes, on one core as on all."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from audited import Audited

from repository import Repository

BUILD, ONE_CORE, REPRO = ("prunemark", "build"), ("prunemark", "build", "--cores", "1"), ("dvc", "repro")
# The command that is killed, and at what share of the grid's receipts. The last ones are killed while DVC's lock is
# written, when all receipts are there.
KILLS = [(REPRO, 0.0), (ONE_CORE, 0.05), (REPRO, 0.3), (ONE_CORE, 0.6), (REPRO, 0.8)]
LATE = (0.3, 1.0)


def group_of(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


def running(group: int) -> list[str]:
    """The command lines of all live processes of a process group."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if group_of(process.pid) == group:
                found.append(" ".join(process.cmdline()))
    return found


def kill_when(repository: Repository, command: tuple[str, ...], ready: Callable[[int], bool], delay: float) -> bool:
    """Start ``command``, wait until it is ``ready``, told its process group, and ``delay`` more seconds, kill the group;
    whether it still lived.
    """
    process = repository.start(*command, output=repository.folder / ".prunemark-test.log")
    group = os.getpgid(process.pid)
    while process.poll() is None and not ready(group):
        time.sleep(0.02)
    time.sleep(delay)
    busy = [line.split("prunemark ")[-1].split(" --")[0] for line in running(group) if "prunemark " in line]
    alive = process.poll() is None
    if alive:
        os.killpg(group, signal.SIGKILL)
    process.wait()
    # To DVC a killed process works on until it is reaped, which its new parent may do late.
    while any(group_of(one.pid) == group for one in psutil.process_iter()):
        time.sleep(0.02)
    print(f"{' '.join(command)}: after {delay:.2f} s,", "hit" if alive else "too late", sorted(set(busy)))
    return alive


def runs(phase: str) -> Callable[[int], bool]:
    """Ready as soon as a process works that has ``phase`` in its command line."""
    return lambda group: any(phase in line for line in running(group))


def receipts(repository: Repository) -> int:
    return sum(1 for _ in (repository.folder / "data").rglob("receipt.json"))


def test_kills_at_any_moment_leave_no_trace(built: Repository, tmp_path: Path, audited: Audited) -> None:
    repository = built.clone(tmp_path / "killed")
    generator, whole = random.Random(), receipts(built)
    for command, share in KILLS:

        def far_enough(_: int, least: float = share * whole) -> bool:
            return receipts(repository) >= least

        assert kill_when(repository, command, far_enough, generator.uniform(0, 1 if share else 3))
        assert receipts(repository) < whole
    hits = [kill_when(repository, BUILD, runs("dvc commit"), generator.uniform(0, most)) for most in LATE]
    assert any(hits)
    repository.run(*REPRO)
    repository.run(*BUILD)
    assert repository.hashes() == built.hashes()
    assert repository.dvc_is_clean()
    assert repository.planned() == {}
    assert audited(repository)[0] == 0


@pytest.mark.slow
def test_plain_snakemake_asks_for_unlock_after_a_kill(copy: Repository, audited: Audited) -> None:
    copy.edit("params.yaml", "magnitude: {}", "magnitude: {rates: [0, 0.5, 0.75]}")
    assert kill_when(copy, ("snakemake", "--cores", "1"), runs("prunemark prune"), 0.2)
    refused = copy.attempt("snakemake", "--cores", "1")
    assert refused.returncode != 0
    assert "--unlock" in refused.stdout
    copy.run("snakemake", "--unlock")
    copy.run("snakemake", "--cores", "2")
    assert copy.dvc_is_clean()
    assert audited(copy)[0] == 0


def test_a_torn_dvc_lock_is_put_back(copy: Repository) -> None:
    lock = copy.folder / "dvc.lock"
    whole = lock.read_bytes()
    lock.write_bytes(whole[: len(whole) // 2])
    copy.run(*BUILD)
    assert lock.read_bytes() == whole
    assert copy.dvc_is_clean()


def test_a_tracking_server_that_is_down_costs_a_warning(copy: Repository) -> None:
    copy.edit("params.yaml", "strengths: [0.01]", "strengths: [0.02]")
    environment = {**copy.environment(), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = subprocess.run(
        BUILD, cwd=copy.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    assert "MLflow left out" in done.stdout
    assert "published 5 runs" in copy.run("prunemark", "publish"), "two alterations, their scores and the report"
    assert "published 0 runs" in copy.run("prunemark", "publish")
