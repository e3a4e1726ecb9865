"""Train one encoder and leave ``encoder.safetensors`` on the 2^-24 grid; its projector and the like beside it.

A killed run goes on from its last whole epoch: checkpoints lie outside data/, under a name made of everything that
could change the result (command, code, input hashes), and are removed at the end.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from prunemark.disk.files import canonical_json, read_json, write_json
from prunemark.disk.tensors import read_tensors, write_encoder, write_tensors
from prunemark.formats.journal import Measured
from prunemark.model.encoder import Architecture, Encoder, snap
from prunemark.model.training import Recipe, Trainer, initialise
from prunemark.receipts.identities import identities
from prunemark.receipts.recorder import Recorder, loaded_code
from prunemark.requests.stage_requests import TrainRequest
from prunemark.stages.split_data import Data, read_data, resolve_device

CHECKPOINTS = Path(".prunemark/checkpoints")
LEARNED = {"loss", "learning_rate"}  # of an epoch: what follows from the inputs; all else varies, or only watches

Listener = Callable[[int, dict[str, float]], None]
Watcher = Callable[[Encoder, Data], dict[str, float]]


def train(
    request: TrainRequest,
    listen: Listener = lambda epoch, metrics: None,
    watch: Watcher = lambda encoder, images: {},
) -> None:
    """Train on the train split of a data/raw folder.

    ``listen`` hears the metrics of each epoch, and what ``watch`` says of the encoder: that stands in the journal and
    changes no result.

    Raises:
        PrunemarkError: a loss that is not finite (`Trainer.run_epoch`), or a CUDA device that is not there.
    """
    torch.set_num_threads(request.threads)
    recipe, out = Recipe(**{part.name: getattr(request, part.name) for part in fields(Recipe)}), request.out
    recorder = Recorder("train", out, request.parameters(), request.seed)
    images = read_data(request.data, recorder)
    spec = Architecture(request.architecture, request.width, images.size)
    resolved = resolve_device(request.device)
    trainer = Trainer(initialise(spec, images.mean, images.std, recipe.seed), recipe, resolved)

    checkpoint = CHECKPOINTS / checkpoint_name(recorder)
    history = resume(trainer, checkpoint)
    train_images = images.images("train")
    recorder.close_code()
    for epoch in range(trainer.epoch, recipe.epochs):
        metrics = trainer.run_epoch(train_images, progress_bar(epoch, recipe.epochs))
        metrics = {name: round(value, 6) for name, value in (metrics | watch(trainer.encoder, images)).items()}
        history.append(dict(metrics))
        # Heard before it is saved: a kill in between repeats an epoch, which the listener knows, and loses none.
        listen(epoch + 1, metrics)
        save(trainer, history, checkpoint)

    write_encoder(out / "encoder.safetensors", snap(trainer.encoder.cpu()))
    write_tensors(out / "objective.safetensors", trainer.objective.state_dict())
    # Speeds vary from run to run, and what watches changes with its own code: the journal holds both.
    by_epoch: dict[str, Any] = {name: [epoch.pop(name) for epoch in history] for name in set(history[0]) - LEARNED}
    precision = str(trainer.precision).removeprefix("torch.")
    recorder.measured = Measured(device=resolved, precision=precision, **by_epoch)
    write_json(out / "training.json", {"epochs": history})
    recorder.wrote("encoder.safetensors", "objective.safetensors", "training.json")
    recorder.finish()
    shutil.rmtree(checkpoint, ignore_errors=True)


def progress_bar(epoch: int, epochs: int) -> Callable[[Iterable[Tensor]], Iterable[Tensor]]:
    """A bar with rate and time left on a terminal; nothing in a file, where `listen` prints a line per epoch."""

    def show(batches: Iterable[Tensor]) -> Iterable[Tensor]:
        return tqdm(batches, desc=f"epoch {epoch + 1}/{epochs}", unit="batch", disable=None, leave=False)

    return show


def checkpoint_name(recorder: Recorder) -> str:
    facts = {
        "parameters": recorder.parameters,
        "inputs": recorder.inputs,
        "code": sorted(identities({path.as_posix(): path.read_bytes() for path in loaded_code()}).values()),
    }
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:32]


def save(trainer: Trainer, history: list[dict[str, float]], folder: Path) -> None:
    """Write tensors first, then the small file that makes them count."""
    name = f"epoch-{trainer.epoch}.safetensors"
    write_tensors(folder / name, trainer.tensors())
    write_json(folder / "last.json", {"epoch": trainer.epoch, "tensors": name, "history": history})
    for old in folder.glob("epoch-*.safetensors"):
        if old.name != name:
            old.unlink()


def resume(trainer: Trainer, folder: Path) -> list[dict[str, float]]:
    """Put the trainer where the last whole epoch left it; returns the metrics of the epochs done."""
    if not (folder / "last.json").is_file():
        return []
    last = read_json(folder / "last.json")
    tensors, _ = read_tensors(folder / last["tensors"])
    trainer.restore(tensors, last["epoch"])
    history: list[dict[str, float]] = last["history"]
    return history
