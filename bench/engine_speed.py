"""What the engines cost: empty runs of Snakemake and DVC over their own start-up, jobs outside their computation, and
the planning of a grid of 3,000 cells. Prints medians of five; run it in a built repository on a quiet machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from prunemark.engine import forkserver, forkserver_client

ROUNDS = 5
ROOT = Path(__file__).resolve().parents[1]


def seconds(*command: str, cwd: Path = ROOT, address: dict[str, str] | None = None) -> float:
    environment = os.environ | (address or {})
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def median(*command: str, cwd: Path = ROOT) -> float:
    return statistics.median(seconds(*command, cwd=cwd) for _ in range(ROUNDS))


def over_start(name: str, start: tuple[str, ...], empty: tuple[str, ...]) -> None:
    own, whole = median(*start), median(*empty)
    print(f"{name}: {whole:.2f} s, {whole - own:.2f} s over its own start-up of {own:.2f} s")


def job_overhead(name: str, address: dict[str, str]) -> None:
    """The time of a stage process that its journal does not count: interpreter, imports, command line; ``address``
    leads it to a fork server, as in a build.
    """
    for stage in ("pruned", "scores"):
        entries = sorted((ROOT / "data/journal" / stage).rglob("*.json"))
        entry = next(path for path in entries if "/original/" not in path.as_posix())
        receipt = ROOT / json.loads(entry.read_text())["receipt"]
        command = json.loads(receipt.read_text())["command"].split()
        outside = []
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            copy.mkdir()
            shutil.copytree(ROOT / "data", copy / "data")
            for _ in range(ROUNDS):
                whole = seconds(*command, cwd=copy, address=address)
                inside = json.loads((copy / entry.relative_to(ROOT)).read_text())["seconds"]
                outside.append(whole - inside)
        print(f"{command[1]} {name}: {statistics.median(outside):.2f} s outside its own computation")


def wait_for(address: dict[str, str]) -> dict[str, str]:
    while not Path(address[forkserver_client.ADDRESS]).exists():
        time.sleep(0.1)
    return address


def plan_three_thousand() -> None:
    """Plan a grid of 3,000 cells from nothing: the time of a whole dry run, which also prints every job."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("Snakefile", "claims.yaml", "workflow", "profiles", "src"):
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, copy / name)
        text = (ROOT / "params.yaml").read_text()
        text = re.sub(r"^seeds: \[[^\]]*\]", f"seeds: {list(range(10))}", text, flags=re.M)
        text = re.sub(r"^rates: \[[^\]]*\]", f"rates: {[round(i / 52, 4) for i in range(51)]}", text, flags=re.M)
        (copy / "params.yaml").write_text(text)
        started = time.perf_counter()
        done = subprocess.run(("snakemake", "-n"), cwd=copy, check=True, capture_output=True, text=True)
        took = time.perf_counter() - started
    cells = re.search(r"^evaluate\s+(\d+)", done.stdout + done.stderr, flags=re.M)
    print(f"plan of {cells[1] if cells else '?'} pruned cells: {took:.1f} s")


def main() -> None:
    if not (ROOT / "data/report/receipt.json").is_file():
        sys.exit("engine_speed: nothing built here; run `make run` first")
    over_start("snakemake, nothing to do", ("snakemake", "--version"), ("snakemake", "--cores", "2"))
    over_start("dvc repro, nothing to do", ("dvc", "--version"), ("dvc", "repro"))
    job_overhead("by hand", {})
    with forkserver.started() as address:
        job_overhead("in a build", wait_for(address))
    plan_three_thousand()


if __name__ == "__main__":
    main()
