"""What DVC and MLflow say of the same results, where they are present."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from prunemark import grid, tracking
from prunemark.errors import PrunemarkError
from prunemark.params import Params
from prunemark.provenance.chain import Break
from prunemark.record import RECEIPT

Checked = tuple[list[Break], str]


def dvc_breaks(params: Params) -> Checked:
    """Where dvc.lock says other than what lies on disk, by ``dvc status``."""
    if not Path("dvc.lock").is_file() or not Path(".dvc").is_dir():
        return [], "dvc.lock: not checked, there is none"
    done = subprocess.run([sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True)
    if done.returncode:
        return [Break("dvc.lock", f"dvc status fails: {(done.stderr or done.stdout).strip().splitlines()[-1]}")], ""
    breaks = []
    for stage, changes in json.loads(done.stdout or "{}").items():
        for change in changes:
            parts = change.items() if isinstance(change, dict) else [("changed command", {"dvc.yaml": "modified"})]
            for what, files in parts:
                breaks += [Break("dvc.lock", f"stage {stage}: {what}: {name} {how}") for name, how in files.items()]
    return breaks, "dvc.lock: checked"


def mlflow_breaks(params: Params) -> Checked:
    """Where a complete MLflow run has another value than the files of its receipt."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.DEFAULT_URI
    if uri == tracking.DEFAULT_URI and not Path("mlflow.db").is_file():
        return [], "MLflow: not checked, there is no mlflow.db"
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
