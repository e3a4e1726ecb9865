"""What DVC and MLflow say of the same results, where they are present: asked in a process of its own, since both take
seconds to load and to answer, in which the audit reads on.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from prunemark.engine import tracking
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import RECEIPT
from prunemark.plan import grid
from prunemark.plan.params import Params
from prunemark.plan.params_file import read_params
from prunemark.provenance import own_process
from prunemark.provenance.dvc_files import altered_files
from prunemark.receipts.chain import Break

Checked = tuple[list[Break], str]
SOURCES = "src"
RECORDS, MOST_RECORDS = ".snakemake/metadata", 10


class External:
    """Both checks, under way from the start; `result` waits for them. DVC, which opens whatever lies under data/ and
    would wait for ever for a pipe, is asked only where all of it is ``readable``."""

    def __init__(self, readable: bool) -> None:
        here = Path("dvc.lock").is_file() and Path(".dvc").is_dir()
        self.dvc = piped("dvc", "status", "--json") if here and readable else None
        self.unasked = "data/ holds what is no file" if here else "there is none"
        self.mlflow = piped("prunemark.provenance.external") if tracked_here() else None

    def result(self) -> tuple[list[Break], list[str]]:
        """The breaks of both, and a note for each."""
        breaks, dvc = dvc_breaks(self.dvc) if self.dvc else ([], f"dvc.lock: not checked, {self.unasked}")
        if self.mlflow is None:
            return breaks, [dvc, "MLflow: not checked, there is no mlflow.db"]
        out, err = self.mlflow.communicate()
        if self.mlflow.returncode:
            return breaks, [dvc, f"MLflow: not checked ({(err or out).strip().splitlines()[-1]})"]
        found = json.loads(out.splitlines()[-1])
        return [*breaks, *(Break(path, reason) for path, reason in found["breaks"])], [dvc, found["note"]]


def tracked_here() -> bool:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.DEFAULT_URI
    return uri != tracking.DEFAULT_URI or Path("mlflow.db").is_file()


def piped(module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        own_process.command(module, *arguments),
        env=own_process.environment(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def dvc_breaks(status: subprocess.Popen[str]) -> Checked:
    """Where dvc.lock says other than what lies on disk, by ``dvc status``."""
    out, err = status.communicate()
    if status.returncode:
        return [
            Break("dvc.lock", f"dvc status fails: {(err or out).strip().splitlines()[-1]}")
        ], "dvc.lock: not checked"
    changed = [
        (stage, what, name, how)
        for stage, changes in json.loads(out or "{}").items()
        for change in changes
        for what, files in (change if isinstance(change, dict) else {change: {"dvc.yaml": "modified"}}).items()
        for name, how in files.items()
        # DVC compares the bytes of the sources; receipts and commits are asked about their meaning.
        if name != SOURCES
    ]
    altered = altered_files({name for _, _, name, _ in changed}) if changed else {}
    breaks = []
    for stage, what, name, how in changed:
        files = altered.get(name) or []
        if len(files) > MOST_RECORDS and name == RECORDS:  # one file per output, and no figure among them
            files, how = [], f"modified, {len(files)} files"
        breaks += [Break(file, "not what dvc.lock says") for file in files]
        breaks += [] if files else [Break("dvc.lock", f"stage {stage}: {what}: {name} {how}")]
    return breaks, "dvc.lock: checked"


def mlflow_breaks(params: Params) -> Checked:
    """Where a complete MLflow run has another value than the files of its receipt."""
    try:
        client, experiment = tracking.connect()
        runs = {run.data.tags[tracking.RECEIPT_TAG]: run for run in tracking.search(client, experiment, "")
                if tracking.COMPLETE in run.data.tags}  # fmt: skip
    except Exception as error:  # a server that is down is no break of the chain
        return [], f"MLflow: not checked ({type(error).__name__})"
    breaks, absent = [], 0
    for step in grid.all_steps(params):
        folder = Path(step.folder)
        if not (folder / RECEIPT).is_file():
            continue
        run = runs.get(tracking.identity(folder))
        if run is None:
            absent += 1
            continue
        try:
            values = tracking.compared(client, run, folder)
        except (PrunemarkError, KeyError, TypeError, ValueError):
            continue  # a damaged file, which its own hash names
        for name, value, held in values:
            if held != value:
                breaks.append(Break(f"MLflow run {run.info.run_id}", f"{name} is {held}, {folder} says {value}"))
    note = f"MLflow: checked, but {absent} runs are not there: prunemark publish" if absent else "MLflow: checked"
    return breaks, note


def main() -> None:
    """Print what MLflow says, as one line of JSON."""
    breaks, note = mlflow_breaks(read_params())
    print(json.dumps({"breaks": [(fault.path, fault.reason) for fault in breaks], "note": note}))


if __name__ == "__main__":
    main()
