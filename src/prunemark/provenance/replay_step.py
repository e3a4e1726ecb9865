"""One step executed again in a scratch folder, and its outputs against its receipt."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from prunemark.disk.files import read_json, sha256_file
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import read_receipt
from prunemark.plan.folders import Step
from prunemark.provenance import own_process
from prunemark.provenance.replay import execute, link_inputs
from prunemark.receipts.acceptance import Replay
from prunemark.receipts.chain import Break

CHECKPOINTS = ".prunemark/checkpoints/*/last.json"
LEARNED = ("loss", "learning_rate")
# Where a training in a scratch folder would log itself, there is nothing: the run would have no receipt.
SILENT = {"MLFLOW_TRACKING_URI": "file:///dev/null/none"}


@dataclass(frozen=True)
class ReplayedStep:
    breaks: list[Break]
    replay: Replay


def replay_step(step: Step, environment: dict[str, str], whole: bool) -> ReplayedStep:
    """Execute a step's recorded command; of training its first epoch alone, unless ``whole``."""
    with tempfile.TemporaryDirectory(prefix="prunemark-accept-") as name:
        scratch = Path(name)
        try:
            if step.command == "train" and not whole:
                return first_epoch(step, scratch, environment | SILENT)
            link_what_lies_beside_data(step, scratch)
            execute(step, scratch, environment | SILENT)
        except PrunemarkError as error:
            return ReplayedStep(
                [Break(step.folder.receipt, str(error))], Replay(folder=step.folder, epochs=0, outputs={})
            )
        outputs = {path: sha256_file(scratch / path) for path in step.folder.artefacts}
        recorded = read_receipt(Path(step.folder)).outputs
        breaks = [Break(path, "replayed, it has other bytes") for path in outputs if outputs[path] != recorded[path]]
        return ReplayedStep(breaks, Replay(folder=str(step.folder), epochs=0, outputs=outputs))


def link_what_lies_beside_data(step: Step, scratch: Path) -> None:
    """A dataset may be read from there, and the report reads params.yaml and claims.yaml."""
    if step.command in ("fetch", "report"):
        for entry in Path.cwd().iterdir():
            if not entry.name.startswith(".") and entry.name != "data":
                (scratch / entry.name).symlink_to(entry)


def first_epoch(step: Step, scratch: Path, environment: dict[str, str]) -> ReplayedStep:
    """Train until the first epoch is saved, and compare what it learned with what was recorded."""
    command = link_inputs(step, scratch)
    process = subprocess.Popen(
        own_process.command("prunemark", *shlex.split(command)[1:]),
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (saved := list(scratch.glob(CHECKPOINTS))) and process.poll() is None:
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    recorded = read_json(Path(step.folder) / "training.json")["epochs"]
    if saved:
        history = read_json(saved[0])["history"]
    elif (scratch / step.folder / "training.json").is_file():  # one epoch, whose checkpoint is gone by now
        history = read_json(scratch / step.folder / "training.json")["epochs"]
    else:
        raise PrunemarkError("replay: its command ends without an epoch")
    same = [{name: epoch[name] for name in LEARNED} for epoch in history] == recorded[: len(history)]
    path = f"{step.folder}/training.json"
    breaks = [] if same else [Break(path, f"replayed, its first epoch has loss {history[0]['loss']}, recorded is "
                                          f"{recorded[0]['loss']}")]  # fmt: skip
    replay = Replay(folder=str(step.folder), epochs=len(history), outputs={path: sha256_file(Path(path))})
    return ReplayedStep(breaks, replay)
