"""Killed at any moment, a build goes on with the same command and ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil

from repository import Repository

BUILD, REPRO = ("prunemark", "build"), ("dvc", "repro")
# The phase to be hit, by a part of a command line, the command that is then killed, and for how long to let it work.
KILLS = [
    ("prunemark fetch", REPRO, 1.0),
    ("prunemark train", BUILD, 4.0),
    ("prunemark train", REPRO, 4.0),
    ("prunemark watermark", REPRO, 1.0),
    ("prunemark check", BUILD, 1.0),
    ("prunemark prune", REPRO, 0.2),
    ("prunemark prune", BUILD, 0.2),
    ("prunemark evaluate", REPRO, 0.5),
    ("prunemark evaluate", BUILD, 0.5),
    ("prunemark report", REPRO, 1.0),
    ("dvc commit", BUILD, 1.5),
    ("dvc commit", BUILD, 0.5),
]
# A random delay may outlast a short phase, and a phase that a killed run had finished does not come again.
HITS = 6


def running(group: int) -> list[str]:
    """The command lines of all live processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group:
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def kill_during(repository: Repository, phase: str, command: tuple[str, ...], delay: float) -> bool:
    """Start ``command``, wait until ``phase`` runs and ``delay`` more seconds, kill the group; whether it
    still lived.
    """
    process = repository.start(*command, output=repository.folder / ".prunemark-test.log")
    group = os.getpgid(process.pid)
    while process.poll() is None and not any(phase in line for line in running(group)):
        time.sleep(0.02)
    time.sleep(delay)
    busy = [line.split("prunemark ")[-1].split(" --")[0] for line in running(group) if "prunemark " in line]
    alive = process.poll() is None
    if alive:
        os.killpg(group, signal.SIGKILL)
    process.wait()
    print(
        f"{' '.join(command)}: aimed at {phase!r} after {delay:.2f} s,",
        "hit" if alive else "too late",
        sorted(set(busy)),
    )
    return alive


def test_twelve_kills_leave_no_trace(built: Repository, tmp_path: Path) -> None:
    repository = built.clone(tmp_path / "killed")
    generator = random.Random()
    hits = [kill_during(repository, phase, command, generator.uniform(0, most)) for phase, command, most in KILLS]
    assert sum(hits) >= HITS
    repository.run(*REPRO)
    repository.run(*BUILD)
    assert repository.hashes() == built.hashes()
    assert repository.dvc_is_clean()
    assert repository.planned() == {}
    assert "all accounted for" in repository.run("prunemark", "audit")


def test_plain_snakemake_asks_for_unlock_after_a_kill(copy: Repository) -> None:
    copy.edit("params.yaml", "[0, 0.5]", "[0, 0.5, 0.75]")
    assert kill_during(copy, "prunemark prune", ("snakemake", "--cores", "1"), 0.2)
    refused = copy.attempt("snakemake", "--cores", "1")
    assert refused.returncode != 0
    assert "--unlock" in refused.stdout
    copy.run("snakemake", "--unlock")
    copy.run("snakemake", "--cores", "2")
    assert copy.dvc_is_clean()
    assert "all accounted for" in copy.run("prunemark", "audit")


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
