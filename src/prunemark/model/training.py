"""Contrastive training of one encoder, one epoch at a time, so that it can stop and go on between any two."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.model import optimizers
from prunemark.model.encoder import Architecture, Encoder
from prunemark.model.hardware import precision
from prunemark.model.randomness import draw_parameters, generator


@dataclass(frozen=True)
class Recipe:
    """How to train: the settings of params.yaml, under the names used there."""

    objective: str
    set: dict[str, Any]
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    warmup_epochs: int
    momentum: float
    weight_decay: float
    seed: int


def initialise(spec: Architecture, mean: list[float], std: list[float], seed: int) -> Encoder:
    """The untrained encoder of a seed; ``mean`` and ``std`` (3) normalise pixels in [0, 1]."""
    encoder = draw_parameters(Encoder(spec), generator("initialise", seed))
    with torch.no_grad():
        encoder.mean.copy_(torch.tensor(mean))
        encoder.std.copy_(torch.tensor(std))
    return encoder


class Trainer:
    """The whole state of a training run: encoder, objective, optimizer, generator, epochs done."""

    def __init__(self, encoder: Encoder, recipe: Recipe, device: str) -> None:
        self.recipe, self.device, self.epoch = recipe, device, 0
        self.precision = precision(device)
        module = registry.load("objectives", recipe.objective)
        draw = generator("objective", recipe.objective, recipe.seed)
        self.encoder = encoder.to(device)
        self.objective = module.build(encoder.features, draw, **recipe.set).to(device)
        self.two_views: Callable[[Tensor, torch.Generator], Tensor] = module.VIEWS
        trained = [*self.encoder.parameters(), *self.objective.parameters()]
        self.optimizer = optimizers.build(recipe.optimizer, trained, recipe.momentum, recipe.weight_decay)
        self.random = generator("train", recipe.seed)

    def run_epoch(self, images: Tensor, progress: Callable[[Iterable[Tensor]], Iterable[Tensor]]) -> dict[str, float]:
        """Train one epoch on uint8 images (N, H, W, 3); the last incomplete batch is dropped.

        Returns:
            ``loss`` (mean over steps), ``learning_rate`` (of the last step), ``images_per_second``.

        Raises:
            PrunemarkError: a loss that is not finite, naming epoch, step and learning rate.
        """
        recipe, started = self.recipe, time.perf_counter()
        size = min(recipe.batch_size, len(images))
        batches = torch.randperm(len(images), generator=self.random).split(size)[: len(images) // size]
        per_epoch = len(batches)
        self.encoder.train()
        total, rate = 0.0, 0.0
        for i, batch in enumerate(progress(batches)):
            step = self.epoch * per_epoch + i
            rate = optimizers.learning_rate(
                step, recipe.epochs * per_epoch, recipe.warmup_epochs * per_epoch, recipe.learning_rate
            )
            loss = self._step(images[batch], rate)
            if not math.isfinite(loss):
                where = f"epoch {self.epoch + 1}, step {i + 1} of {per_epoch}, learning rate {rate:g}"
                raise PrunemarkError(f"loss is {loss}, it must be finite: {where}; a smaller learning_rate may help")
            total += loss
        self.epoch += 1
        speed = per_epoch * size / (time.perf_counter() - started)
        return {"loss": total / per_epoch, "learning_rate": rate, "images_per_second": speed}

    def _step(self, images: Tensor, rate: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        views = self.two_views(images.to(self.device), self.random)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            loss: Tensor = self.objective(self.encoder, views)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def tensors(self) -> dict[str, Tensor]:
        """The state between two epochs, as named tensors."""
        named = {f"encoder.{k}": v for k, v in self.encoder.state_dict().items()}
        named |= {f"objective.{k}": v for k, v in self.objective.state_dict().items()}
        buffers = self.optimizer.state_dict()["state"]
        named |= {f"momentum.{i}": entry["momentum_buffer"] for i, entry in buffers.items()}
        return named | {"random": self.random.get_state()}

    def restore(self, tensors: dict[str, Tensor], epoch: int) -> None:
        """Go back to the state that `tensors` gave after ``epoch`` epochs."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.encoder.load_state_dict(part("encoder."))
        self.objective.load_state_dict(part("objective."))
        state = self.optimizer.state_dict()
        state["state"] = {int(i): {"momentum_buffer": buffer} for i, buffer in part("momentum.").items()}
        self.optimizer.load_state_dict(state)
        self.random.set_state(tensors["random"])
        self.epoch = epoch
