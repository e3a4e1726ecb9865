"""What a careful forger does: after altering a file, make every hash, score and report agree with it again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prunemark.claims.file import read_claims
from prunemark.disk.files import canonical_json, read_json, sha256_file, write_bytes, write_json
from prunemark.disk.tensors import read_arrays, read_tensors, write_arrays, write_tensors
from prunemark.formats.written import write
from prunemark.plan import grid
from prunemark.plan.folders import CLAIMS
from prunemark.plan.params_file import read_params
from prunemark.provenance.audit import rescore
from prunemark.provenance.sample import drawn
from prunemark.receipts.chain import named_here
from prunemark.stages.report import compose, conditions

Refresh = Callable[[Any, dict[str, Any]], None]


def nothing(step: Any, receipt: dict[str, Any]) -> None:
    pass


def forge(folder: Path, refresh: Refresh = nothing) -> None:
    """In the repository at ``folder``: make everything agree with the files as they are, and publish nothing: DVC's
    lock and MLflow, which would tell the truth, are not there."""
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / "mlflow.db").unlink(missing_ok=True)
    with contextlib.chdir(folder):
        make_consistent(refresh)


def make_consistent(refresh: Refresh) -> None:
    """Scores from their samples, the report from scores and journals, and all receipts, changed by ``refresh``, in the
    order of the graph, so that every hash is that of the file it names."""
    params = read_params()
    steps = grid.all_steps(params)
    for step in steps[:-1]:
        if "scores.json" in step.folder.names:
            write(Path(step.folder) / "scores.json", rescore(step))
        rehash(step, refresh)
    report = steps[-1]
    scored = [Path(step.folder) for step in steps if "scores.json" in step.folder.names]
    asked = params.model_dump(mode="json")
    stated = conditions([Path(step.folder) for step in steps[:-1]])
    for name, content in compose(scored, asked, read_claims(Path(CLAIMS), asked), stated).items():
        write_bytes(Path(report.folder) / name, content.encode())
    rehash(report, refresh)


def rehash(step: Any, refresh: Refresh) -> None:
    path = Path(step.folder.receipt)
    receipt = json.loads(path.read_text())
    refresh(step, receipt)
    for part in ("inputs", "outputs"):
        for name in receipt[part]:
            if named_here(name):
                receipt[part][name] = sha256_file(Path(name))
    path.write_text(canonical_json(receipt))


def edit_samples(folder: Path, edit: Callable[[dict[str, np.ndarray]], None]) -> None:
    arrays = read_arrays(folder / "samples.npz")
    edit(arrays)
    write_arrays(folder / "samples.npz", arrays)


def edit_json(path: Path, edit: Callable[[Any], None]) -> None:
    content = read_json(path)
    edit(content)
    write_json(path, content)


def edit_key(path: Path, **facts: str) -> None:
    """Facts of the first key of a key file."""
    tensors, header = read_tensors(path)
    header["facts"][0] |= facts
    write_tensors(path, tensors, header)


def another_key(path: Path) -> None:
    """A key that is not the one embedded, in the places of the one that is."""
    edit_key(path, key="1" * 64)


def change_threshold(marked: Path, **changes: Any) -> None:
    """A threshold in both files that hold it, and what its calibration says of it."""
    edit_json(marked / "calibration.json", lambda content: content["trials"][0].update(changes))
    tensors, header = read_tensors(marked / "secret.safetensors")
    write_tensors(marked / "secret.safetensors", tensors, header | {"thresholds": [changes["threshold"]]})


def weaken_a_claim(folder: Path) -> None:
    replace(folder / "claims.yaml", "at_least: -0.1}", "at_least: -1}")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} does not hold {old!r}"
    path.write_text(text.replace(old, new, 1))


def seed_that_draws_first(folder: Path, cell: str) -> int:
    """A seed of a replay that begins with this cell."""
    steps = grid.all_steps(read_params(folder / "params.yaml"))
    cells = [step for step in steps if "scores.json" in step.folder.names]
    return next(seed for seed in range(1000) if str(drawn(cells, seed)[0][0].folder) == cell)
