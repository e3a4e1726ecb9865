"""MLflow, and nothing else: training is seen live, everything finished is published by one idempotent writer.

A run belongs to one receipt: tags lead from it to its cell, its receipt and the commit. Publishing looks before it
writes, marks a run complete last, and so loses nothing and repeats nothing, however often it is killed or repeated. A
server that is down costs a warning, never a result.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from prunemark.disk.files import read_json, sha256, sha256_file, write_bytes
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import RECEIPT, Receipt
from prunemark.formats.written import read
from prunemark.plan.params import Params

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from prunemark.formats.scores import ScoreRow

EXPERIMENT = "prunemark"
DEFAULT_URI = "sqlite:///mlflow.db"
LOCK = Path(".prunemark/mlflow.lock")
PUBLISHED = Path(".prunemark/published")
CELL, RECEIPT_TAG, COMMAND, COMPLETE = (
    f"prunemark.{name}" for name in ("cell", "receipt_sha256", "command", "complete")
)
MOST_METRICS = 500


def connect() -> tuple[MlflowClient, str]:
    """A client and the id of the experiment, which is created first: `set_experiment` has a race."""
    for name, value in (("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"), ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")):
        os.environ.setdefault(name, value)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    LOCK.parent.mkdir(exist_ok=True)
    # A cold database migrates itself as soon as a client is made, and several processes doing so at once break it.
    with FileLock(LOCK):
        client = MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI)
        found = client.get_experiment_by_name(EXPERIMENT)
        return client, found.experiment_id if found else client.create_experiment(EXPERIMENT)


def search(client: MlflowClient, experiment: str, where: str) -> list[Run]:
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment], where, max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


class LiveRun:
    """The MLflow run of a training in progress; a resumed training goes on in the run it was killed in."""

    def __init__(self, folder: Path, command: str) -> None:
        self.client, experiment = connect()
        same = f"tags.`{CELL}` = '{folder.as_posix()}' and tags.`{COMMAND}` = '{command}'"
        open_runs = [run for run in search(self.client, experiment, same) if COMPLETE not in run.data.tags]
        self.create = lambda: self.client.create_run(
            experiment, tags={CELL: folder.as_posix(), COMMAND: command, "mlflow.runName": folder.as_posix()}
        )
        self.run = open_runs[0] if open_runs else None

    def log(self, epoch: int, metrics: dict[str, float]) -> None:
        done = last_epoch(self.client, self.run) if self.run else 0
        if self.run is None or epoch < done:
            # Fewer epochs than the run has: the code changed and training began anew.
            self.run, done = self.create(), 0
        if epoch > done:
            log_metrics(self.client, self.run.info.run_id, [(name, value, epoch) for name, value in metrics.items()])


def last_epoch(client: MlflowClient, run: Run) -> int:
    return max((entry.step for entry in client.get_metric_history(run.info.run_id, "loss")), default=0)


@contextmanager
def live(folder: Path, epochs: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """A listener for training: prints a line per epoch and logs it to MLflow; MLflow's failures are warned of once."""
    command = hashlib.sha256("\0".join(sys.argv[1:]).encode()).hexdigest()
    run: LiveRun | None = None
    try:
        run = LiveRun(folder, command)
    except Exception as error:  # whatever a tracking server does, training goes on
        warn(error)
    started, first = time.monotonic(), [0]

    def listen(epoch: int, metrics: dict[str, float]) -> None:
        nonlocal run
        first[0] = first[0] or epoch
        left = (time.monotonic() - started) / (epoch - first[0] + 1) * (epochs - epoch)
        print(
            f"epoch {epoch}/{epochs}: loss {metrics['loss']:.3f}, held-out kNN {metrics['heldout_knn_accuracy']:.1%}, "
            f"{metrics['images_per_second']:.0f} images/s, {left:.0f} s left",
            flush=True,
        )
        try:
            if run:
                run.log(epoch, metrics)
        except Exception as error:
            warn(error)
            run = None

    yield listen


def warn(error: Exception) -> None:
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    print(
        f"prunemark: MLflow left out: {type(error).__name__}: {text[:200]}; `prunemark publish` catches up",
        file=sys.stderr,
    )


def publish_or_warn(params: Params) -> None:
    """`publish` where something is new since it last ran, with any failure of MLflow turned into a warning.

    To ask MLflow takes longer than all else that a build does where there is nothing to do.
    """
    try:
        state = publishable(params)
        if not PUBLISHED.is_file() or PUBLISHED.read_text() != state:
            publish(params)
            write_bytes(PUBLISHED, publishable(params).encode())
    except Exception as error:
        warn(error)


def publishable(params: Params) -> str:
    """What there is to publish, and where: a SHA-256 over all receipts, the server's address and whether a local
    database is there."""
    from prunemark.plan import grid

    receipts = [Path(step.folder) for step in grid.all_steps(params) if (Path(step.folder) / RECEIPT).is_file()]
    place = os.environ.get("MLFLOW_TRACKING_URI") or f"{DEFAULT_URI} {Path('mlflow.db').is_file()}"
    return sha256("\n".join([place, *map(identity, receipts)]).encode())


def publish(params: Params) -> int:
    """Send every finished step that MLflow does not hold yet; returns how many were sent."""
    # Not above: a training that is listened to would hold what the plan imports, which is none of its code.
    from prunemark.plan import grid

    client, experiment = connect()
    sent = 0
    with FileLock(LOCK):
        runs = search(client, experiment, "")
        complete = {run.data.tags[RECEIPT_TAG] for run in runs if COMPLETE in run.data.tags}
        unfinished = [run for run in runs if COMPLETE not in run.data.tags]
        for step in grid.all_steps(params):
            folder = Path(step.folder)
            if (folder / RECEIPT).is_file() and identity(folder) not in complete:
                mine = [run for run in unfinished if run.data.tags.get(CELL) == folder.as_posix()]
                send(client, experiment, folder, mine)
                sent += 1
    return sent


def identity(folder: Path) -> str:
    """What makes a run one and the same: the receipt's hash (its parameters name the cell)."""
    return sha256_file(folder / RECEIPT)


def send(client: MlflowClient, experiment: str, folder: Path, unfinished: list[Run]) -> None:
    """Fill one run and mark it complete, last of all. A live run is completed; what a killed publisher left goes."""
    receipt, journal = read(folder / RECEIPT, Receipt), read_journal(folder)
    live_runs = [run for run in unfinished if COMMAND in run.data.tags]
    for run in unfinished:
        if run not in live_runs[:1]:
            client.delete_run(run.info.run_id)
    tags = {CELL: folder.as_posix(), "mlflow.runName": folder.as_posix()}
    run = live_runs[0] if live_runs else client.create_run(experiment, tags=tags)
    done = last_epoch(client, run) if live_runs else 0
    log_metrics(
        client, run.info.run_id, [entry for entry in metrics_of(folder, journal) if entry[2] == 0 or entry[2] > done]
    )
    from mlflow.entities import Param, RunTag

    values = [Param(name, str(value)) for name, value in receipt.parameters.items() if name != "set"]
    if isinstance(settings := receipt.parameters.get("set"), dict):
        values += [Param(f"set.{name}", str(value)) for name, value in settings.items()]
    tags = {
        "prunemark.stage": receipt.stage,
        "prunemark.receipt": (folder / RECEIPT).as_posix(),
        RECEIPT_TAG: identity(folder),
        "prunemark.commit": str(journal and journal.commit),
        "mlflow.source.git.commit": str(journal and journal.commit),
    }
    client.log_batch(run.info.run_id, params=values, tags=[RunTag(name, value) for name, value in tags.items()])
    log_dataset(client, run.info.run_id, receipt.inputs)
    client.set_tag(run.info.run_id, COMPLETE, "true")
    client.set_terminated(run.info.run_id)


def read_journal(folder: Path) -> Journal | None:
    path = journal_path(folder)
    return read(path, Journal) if path.is_file() else None


def log_dataset(client: MlflowClient, run_id: str, inputs: dict[str, str]) -> None:
    """Name the dataset that a run read; MLflow takes digests of up to 36 characters."""
    from mlflow.entities import Dataset, DatasetInput

    for path, digest in inputs.items():
        if path.endswith("/images.safetensors"):
            dataset = Dataset(Path(path).parent.name, digest[:36], "local", path)
            client.log_inputs(run_id, [DatasetInput(dataset)])


def metrics_of(folder: Path, journal: Journal | None) -> list[tuple[str, float, int]]:
    """The metrics of a finished step as (name, value, step), from its small files and its journal entry."""
    # Not at the top: what is loaded while an encoder is trained counts as code of its receipt.
    from prunemark.formats.calibration import Calibration
    from prunemark.formats.scores import Scores
    from prunemark.formats.sparsity import Sparsity

    metrics: list[tuple[str, float, int]] = [("seconds", float(journal.seconds), 0)] if journal else []
    if (folder / "scores.json").is_file():
        metrics += [(row_name(row), float(row["value"]), 0) for row in read(folder / "scores.json", Scores).rows]
    elif (folder / "training.json").is_file():
        watched = journal.measured.by_epoch if journal else {}
        for i, epoch in enumerate(read_json(folder / "training.json")["epochs"]):
            metrics += [(name, value, i + 1) for name, value in epoch.items()]
            metrics += [(name, value, i + 1) for name, values in watched.items() for value in values[i : i + 1]]
    elif (folder / "sparsity.json").is_file():
        sparsity = read(folder / "sparsity.json", Sparsity)
        metrics += [(name, float(getattr(sparsity, name)), 0) for name in ("achieved", "removed", "mask_entropy_bytes")]
    elif (folder / "calibration.json").is_file():
        trials = read(folder / "calibration.json", Calibration).trials
        metrics += [(f"threshold.{i}", float(trial.threshold), 0) for i, trial in enumerate(trials)]
    return metrics


def compared(client: MlflowClient, run: Run, folder: Path) -> list[tuple[str, float, float | None]]:
    """Metrics of a finished step as (name, value in its files, value in MLflow): what each ends with, and every epoch.

    Journal figures are left out: those vary between runs.
    """
    entries = metrics_of(folder, None)
    last = {name: value for name, value, _ in entries}
    found = [(name, value, run.data.metrics.get(name)) for name, value in last.items()]
    for name in sorted({name for name, _, step in entries if step}):
        held = {entry.step: entry.value for entry in client.get_metric_history(run.info.run_id, name)}
        found += [(f"{n} of epoch {step}", value, held.get(step)) for n, value, step in entries if n == name]
    return found


def row_name(row: ScoreRow) -> str:
    """A row's name in MLflow: metric, head, check."""
    return ".".join(name for name in (row["metric"], row.get("head"), row.get("check")) if name)


def log_metrics(client: MlflowClient, run_id: str, entries: list[tuple[str, float, int]]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    for i in range(0, len(entries), MOST_METRICS):
        part = entries[i : i + MOST_METRICS]
        client.log_batch(run_id, metrics=[Metric(name, value, now, step) for name, value, step in part])
