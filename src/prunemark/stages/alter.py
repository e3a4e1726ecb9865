"""Alter one marked encoder other than by pruning (part of the prune stage): the artefact is the altered encoder."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from prunemark import registry
from prunemark.disk.tensors import read_encoder, write_encoder
from prunemark.formats.journal import Measured
from prunemark.formats.receipt import RECEIPT
from prunemark.marking.contract import Images
from prunemark.model.encoder import Encoder
from prunemark.model.randomness import generator
from prunemark.model.training import Recipe, Trainer
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import AlterRequest
from prunemark.stages.recipes import trained_by
from prunemark.stages.split_data import read_data, resolve_device


def alter(request: AlterRequest) -> None:
    """Change the encoder of ``marked`` by the alteration ``method`` and write what becomes of it.

    ``key`` is the number of the marked encoder's experiment key: copies under other keys are other draws, those at
    other strengths are not.

    Raises:
        PrunemarkError: a strength that the alteration does not know.
    """
    torch.set_num_threads(request.threads)
    method, marked, seed, key = request.method, request.marked, request.seed, request.key
    recorder = Recorder("alter", request.out, request.parameters(), seed)
    registry.check_strength(method, float(request.strength))
    images = read_data(request.data, recorder)
    recorder.reads(marked / RECEIPT, marked / "encoder.safetensors")
    encoder = read_encoder(marked / "encoder.safetensors")
    shown = Images(images.images("train"), images.images("keypool"))
    draws = generator("alter", method, seed, key)
    apart = generator("alter", method, seed, key, "training")
    trainer = Continued(trained_by(request), shown.train, request.device, apart)
    alteration, strength = registry.load("alterations", method), float(request.strength)
    altered = alteration.alter(encoder, strength, trainer, shown, draws, **request.set)
    write_encoder(request.out / "encoder.safetensors", altered)
    recorder.measured = trainer.measured
    recorder.wrote("encoder.safetensors")
    recorder.finish()


class Continued:
    """The encoder's own training, going on: ``train(encoder, epochs, learning_rate) -> Encoder``."""

    def __init__(self, recipe: Recipe, images: Tensor, device: str, draws: torch.Generator) -> None:
        # Loaded whether it is used or not: what a step may run is its code.
        registry.load("objectives", recipe.objective)
        # Another seed than that of pre-training, whose batches and views would else come again.
        self.recipe = replace(recipe, seed=int(torch.randint(2**31, (1,), generator=draws)), warmup_epochs=0)
        self.images, self.device = images, device
        self.measured = Measured()

    def __call__(self, encoder: Encoder, epochs: int, learning_rate: float) -> Encoder:
        """A copy of ``encoder`` after ``epochs`` more epochs, in evaluation mode on the CPU."""
        resolved = resolve_device(self.device)
        recipe = replace(self.recipe, epochs=epochs, learning_rate=learning_rate)
        trainer = Trainer(copy.deepcopy(encoder), recipe, resolved)
        for epoch in range(epochs):
            title = f"epoch {epoch + 1}/{epochs}"
            trainer.run_epoch(self.images, lambda b, t=title: tqdm(b, t, unit="batch", disable=None, leave=False))  # type: ignore[misc]
        self.measured = Measured(device=resolved, precision=str(trainer.precision).removeprefix("torch."))
        return trainer.encoder.cpu().eval()
