"""Cells really executed again, from their recorded commands, beside what was recorded.

A cell is replayed from its marked encoder on: what pruned or altered it, then what scored it. Everything runs in a
scratch folder, in which inputs are links to the recorded files and by a copy of the sources; the repository's own data/
is never written to.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunemark.disk.files import sha256_file
from prunemark.engine import forkserver
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import Receipt, command_of, read_receipt
from prunemark.formats.scores import Scores
from prunemark.formats.written import read
from prunemark.plan.folders import Step
from prunemark.provenance import own_process
from prunemark.provenance.sample import drawn, most_wrong
from prunemark.provenance.tolerances import first_difference
from prunemark.receipts.acceptance import as_accepted
from prunemark.receipts.chain import Break

# Equal ones of these give equal bytes.
SAME_VERSIONS = ("torch", "numpy", "safetensors")


@dataclass(frozen=True)
class Replayed:
    """One cell: where it is not what was recorded, and whether the machine was of the same kind, so that bytes were
    compared."""

    breaks: list[Break]
    exact: bool


@dataclass(frozen=True)
class Outcome:
    breaks: list[Break]
    proved: str
    notes: list[str]
    facts: dict[str, Any]


def replay(steps: list[Step], count: int | None, budget: float | None, seed: int | None) -> Outcome:
    """Replay ``count`` random cells, or as many as ``budget`` seconds allow, at least one."""
    made_by = {str(step.folder): step for step in steps}
    cells = [step for step in steps if "scores.json" in step.folder.names]
    order, seed = drawn(cells, seed)
    order = order if count is None else order[:count]
    workers = max(1, len(os.sched_getaffinity(0)) // max(int(step.parameters["threads"]) for step in cells))
    done: list[Replayed] = []
    started, longest = time.monotonic(), 0.0
    with sources() as ours, forkserver.started(ours) as address, ThreadPoolExecutor(workers) as pool:
        while len(done) < len(order):
            began = time.monotonic()
            if budget is not None and done and began - started + longest > budget:
                break
            batch = order[len(done) : len(done) + workers]
            done += pool.map(lambda step: replay_cell(step, made_by, ours | address), batch)
            longest = max(longest, time.monotonic() - began)
    return described(done, [str(step.folder) for step in order[: len(done)]], len(cells), seed)


@contextmanager
def sources() -> Iterator[dict[str, str]]:
    """The environment in which commands run a fresh copy of this package."""
    with tempfile.TemporaryDirectory(prefix="prunemark-sources-") as folder:
        yield own_process.environment(own_process.copied(Path(folder)))


def described(done: list[Replayed], sample: list[str], cells: int, seed: int) -> Outcome:
    n, wrong = len(done), sum(bool(cell.breaks) for cell in done)
    elsewhere = sum(not cell.exact for cell in done)
    bound = None if wrong else most_wrong(n, cells)
    facts = {"replayed": n, "of": cells, "wrong": wrong, "seed": seed, "sample": sample, "bound": bound,
             "within_tolerance": elsewhere}  # fmt: skip
    notes = [f"replay: seed {seed} drew {', '.join(sample)}"]
    if elsewhere:
        notes.append(f"replay: {elsewhere} of {n} were made on another kind of machine or with other versions: "
                     "compared within the tolerances of prunemark.provenance.tolerances, not bit for bit")  # fmt: skip
    proved = f"{n} of {cells} replayed, all equal: at most {bound or 0:.1%} of the {cells} cells are wrong (95 %)"
    return Outcome([fault for cell in done for fault in cell.breaks], proved, notes, facts)


def replay_cell(step: Step, made_by: dict[str, Step], environment: dict[str, str]) -> Replayed:
    """Execute what made a scores folder, in a scratch folder of its own."""
    chain = [made_by[str(step.parameters["pruned"])]] if "pruned" in step.parameters else []
    breaks: list[Break] = []
    exact = True
    with tempfile.TemporaryDirectory(prefix="prunemark-replay-") as name:
        scratch = Path(name)
        for part in (*chain, step):
            try:
                execute(part, scratch, environment)
                exact = exact and same_kind(part, scratch)
            except PrunemarkError as error:
                return Replayed([*breaks, Break(part.folder.receipt, str(error))], exact)
            breaks += compared(part, scratch, exact)
            if not breaks:
                # Of accepted code it names other identities, and what runs next names its hash.
                shutil.copyfile(part.folder.receipt, scratch / part.folder.receipt)
    return Replayed(breaks, exact)


def execute(step: Step, scratch: Path, environment: dict[str, str]) -> None:
    """Run the recorded command of a step where only its recorded inputs are.

    Raises:
        PrunemarkError: it is not the command that params.yaml asks for, or it fails.
    """
    command = link_inputs(step, scratch)
    done = subprocess.run(
        own_process.command("prunemark", *shlex.split(command)[1:]),
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [""]
        raise PrunemarkError(f"replay: its command fails with exit status {done.returncode}: {said[-1]}")


def link_inputs(step: Step, scratch: Path) -> str:
    """Bring the recorded inputs of a step into a scratch folder, as links; returns its command.

    Raises:
        PrunemarkError: the recorded command is not the one that params.yaml asks for.
    """
    recorded = read_receipt(Path(step.folder))
    asked = command_of(step.command, step.parameters)
    if recorded.command != asked:
        raise PrunemarkError(f"replay: its command is not {asked}")
    for name in recorded.inputs:
        link, source = scratch / name, Path(name).absolute()
        if name.startswith("data/") and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    return asked


def same_kind(step: Step, scratch: Path) -> bool:
    """Whether both runs must give the same bytes: on the CPU, of the same kind, with the same versions."""
    path = journal_path(Path(step.folder))
    before, now = (
        {
            "cpu": entry.cpu,
            "capability": entry.cpu_capability,
            "python": entry.python,
            "versions": [entry.versions.get(name) for name in SAME_VERSIONS],
            "device": entry.measured.device or "cpu",
        }
        for entry in (read(path, Journal), read(scratch / path, Journal))
    )
    return before == now and now["device"] == "cpu"


def accepted(receipt: Receipt) -> Receipt:
    """A receipt with its code as it was accepted."""
    return receipt.model_copy(update={"code": as_accepted(receipt.code)})


def compared(step: Step, scratch: Path, exact: bool) -> list[Break]:
    """Bytes of outputs and receipt; elsewhere the rows of a scores file."""
    scores = f"{step.folder}/scores.json"
    kept = "scores.json" in step.folder.names
    before, now = (read(base / scores, Scores).rows if kept else [] for base in (Path(), scratch))
    difference = first_difference(before, now, exact)
    if not exact:
        return [Break(scores, f"replayed, {difference}, beyond tolerance")] if difference else []
    found = [
        Break(name, f"replayed, {difference if name == scores and difference else 'it has other bytes'}")
        for name in step.folder.artefacts
        if sha256_file(Path(name)) != sha256_file(scratch / name)
    ]
    recorded, again = (accepted(read_receipt(base / step.folder)) for base in (Path(), scratch))
    if not found and recorded != again:
        found.append(
            Break(step.folder.receipt, "replayed, its outputs are equal, but what it says of inputs or code is not")
        )
    return found
