"""What pruning of weights and of channels have in common: inputs, rounds, recovery."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from tqdm import tqdm

from prunemark import registry
from prunemark.disk.tensors import read_encoder, read_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Measured
from prunemark.formats.receipt import RECEIPT
from prunemark.model.encoder import Encoder, weights
from prunemark.model.randomness import generator
from prunemark.model.training import Trainer
from prunemark.pruning import mask as masks
from prunemark.pruning.batches import Batches
from prunemark.pruning.mask import Mask
from prunemark.pruning.pruning_schedule import FINE_TUNE, RECOVERIES, Schedule, round_rates
from prunemark.pruning.scopes import PATTERNS
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import PruneRequest
from prunemark.stages.recipes import trained_by
from prunemark.stages.split_data import read_data, resolve_device

MaskAt = Callable[[Encoder, Mask, str], Mask]


def refuse_schedule(schedule: Schedule, scope: str) -> None:
    """What params.yaml refuses, for commands by hand: a receipt must not name what did not happen.

    Raises:
        PrunemarkError: no such recovery, or numbers that it does not use or needs.
    """
    if schedule.recovery not in RECOVERIES:
        raise PrunemarkError(f"recovery: {schedule.recovery!r} is not allowed: one of {', '.join(RECOVERIES)}")
    tunes = schedule.recovery == FINE_TUNE
    if tunes != bool(schedule.epochs):
        raise PrunemarkError(f"epochs: {schedule.epochs} is not allowed: 1 or more with {FINE_TUNE}, else 0")
    if tunes != (0 < schedule.learning_rate < math.inf):
        raise PrunemarkError(
            f"learning-rate: {schedule.learning_rate} is not allowed: above 0 with {FINE_TUNE}, else 0"
        )
    if schedule.rounds > 1 and scope in PATTERNS:
        raise PrunemarkError(f"rounds: {schedule.rounds} is not allowed: 1, since {scope} has one rate")


class Subject:
    """The marked encoder of a request, the unlabelled batches that a criterion may look at, and recovery."""

    def __init__(self, request: PruneRequest, recorder: Recorder) -> None:
        torch.set_num_threads(request.threads)
        self.schedule = Schedule(request.rounds, request.recovery, request.epochs, request.learning_rate)
        refuse_schedule(self.schedule, request.scope)
        self.request, self.recorder, self.recipe = request, recorder, trained_by(request)
        images = read_data(request.data, recorder)
        trained = request.encoder / "objective.safetensors"
        self.weights_file = request.marked / "encoder.safetensors"
        recorder.reads(request.encoder / RECEIPT, trained, request.marked / RECEIPT, self.weights_file)
        self.encoder = read_encoder(self.weights_file)
        self.projector = read_tensors(trained)[0]
        module = registry.load("objectives", request.objective)
        objective = module.build(self.encoder.features, generator("objective"), **request.objective_set)
        try:
            objective.load_state_dict(self.projector)
        except RuntimeError:
            asked = f"{request.objective} with {request.objective_set}"
            raise PrunemarkError(f"{trained}: not of the objective {asked} on this encoder") from None
        self.batches = Batches(images.images("train"), request.batch_size, objective.eval(), module.VIEWS)

    def draws(self, purpose: str) -> torch.Generator:
        """One stream per purpose, method and seed: equal for all marks, keys and rates."""
        return generator("prune", purpose, self.request.method, self.request.seed)

    def pruned(self, mask_at: MaskAt) -> tuple[Encoder, Mask]:
        """The encoder and the mask after all rounds. ``mask_at(encoder, mask, rate)`` makes the next mask from what the
        last round left; what one round removed stays removed.
        """
        working = copy.deepcopy(self.encoder)
        mask = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights(working).items()}
        recovery, random = self.recoveries()[self.schedule.recovery], self.draws("recovery")
        for rate in round_rates(self.request.rate, self.schedule.rounds):
            mask = mask_at(working, mask, rate)
            working = recovery(masks.apply(working, mask), mask, random)
        return working, mask

    def recoveries(self) -> dict[str, Callable[[Encoder, Mask, torch.Generator], Encoder]]:
        return {
            "none": lambda encoder, mask, random: encoder,
            "batch-norm": lambda encoder, mask, random: recalibrate(encoder, self.batches, random),
            "fine-tune": self.fine_tune,
        }

    def fine_tune(self, encoder: Encoder, mask: Mask, random: torch.Generator) -> Encoder:
        """Epochs of the encoder's own training, in every round from its own trained projector on; gradients of removed
        weights are zero, so that neither decay nor momentum moves them."""
        resolved, schedule = resolve_device(self.request.device), self.schedule
        seed = int(torch.randint(2**31, (1,), generator=random))
        recipe = replace(
            self.recipe,
            epochs=schedule.epochs,
            learning_rate=schedule.learning_rate,
            warmup_epochs=0,
            seed=seed,
        )
        trainer = Trainer(encoder, recipe, resolved)
        trainer.objective.load_state_dict(self.projector)
        hooks = [weight.register_hook(held(mask[name].to(resolved))) for name, weight in weights(encoder).items()]
        for epoch in range(schedule.epochs):
            title = f"epoch {epoch + 1}/{schedule.epochs}"
            trainer.run_epoch(self.batches.images, lambda b, t=title: tqdm(b, t, disable=None, leave=False))  # type: ignore[misc]
        for hook in hooks:
            hook.remove()
        self.recorder.measured = Measured(device=resolved, precision=str(trainer.precision).removeprefix("torch."))
        encoder.zero_grad(set_to_none=True)
        return encoder.cpu().eval()


def held(mask: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: torch.where(mask, gradient, 0)


def recalibrate(encoder: Encoder, batches: Batches, random: torch.Generator) -> Encoder:
    """The running statistics of batch normalisation anew, in place: their mean over random batches of two views, as
    training saw them, as many as an epoch has."""
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    encoder.train()
    with torch.no_grad():
        for views in batches.views(max(1, len(batches.images) // batches.size), random):
            encoder(views)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return encoder.eval()
