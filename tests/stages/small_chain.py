"""A folder with a dataset, an encoder and its marked copy, as the earlier stages leave them, and requests on it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prunemark import registry
from prunemark.disk.tensors import write_encoder, write_tensors
from prunemark.methods.objectives import simclr
from prunemark.model.encoder import Architecture, Encoder, snap
from prunemark.model.randomness import draw_parameters, generator
from prunemark.pruning.pruning_schedule import Schedule
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import FetchRequest, PruneRequest, ShrinkRequest
from prunemark.stages.fetch import fetch

DATA, ENCODER = Path("data/raw/a"), Path("data/encoders/a/b/0")
MARKED, OUT = Path("data/marked/a/b/0/none/0"), Path("data/pruned/a/b/0/none/0")
ONE_SHOT = Schedule()
USED = (("encoders", "resnet18"), ("objectives", "simclr"))
PROJECTOR = {"temperature": 0.5, "projection_dim": 8}


def make_marked(folder: Path) -> None:
    with contextlib.chdir(folder):
        fetch(
            FetchRequest(
                dataset="a",
                method="fashion-mnist-mini",
                set={"image_size": 16},
                heldout=4400,
                keypool=300,
                out=DATA,
            )
        )
        encoder = draw_parameters(Encoder(Architecture("resnet18", 4, 16)), generator("test encoder"))
        draw_norms(encoder)
        recorder = Recorder("train", ENCODER, {})
        objective = simclr.build(encoder.features, generator("test objective"), **PROJECTOR)
        write_tensors(ENCODER / "objective.safetensors", objective.state_dict())
        recorder.wrote("objective.safetensors")
        recorder.finish()
        recorder = Recorder("watermark", MARKED, {})
        write_encoder(MARKED / "encoder.safetensors", snap(encoder))
        recorder.wrote("encoder.safetensors")
        recorder.finish()


def draw_norms(encoder: Encoder) -> None:
    """Scales, shifts and statistics as training leaves them: none is 1 or 0 any more."""
    draws = generator("test norms")
    with torch.no_grad():
        for norm in encoder.modules():
            if isinstance(norm, nn.BatchNorm2d):
                for part, low, high in (
                    (norm.weight, 0.5, 1.5),
                    (norm.bias, -0.5, 0.5),
                    (norm.running_mean, -0.5, 0.5),
                    (norm.running_var, 0.5, 2.0),
                ):
                    part.uniform_(low, high, generator=draws)  # type: ignore[union-attr]


def request(
    method: str, settings: dict[str, Any], rate: str, scope: str, schedule: Schedule, seed: int, kind: str = "pruners"
) -> PruneRequest:
    return {"pruners": PruneRequest, "structured": ShrinkRequest}[kind](
        data=DATA,
        encoder=ENCODER,
        marked=MARKED,
        method=method,
        set=settings,
        scope=scope,
        rate=rate,
        objective="simclr",
        objective_set=PROJECTOR,
        **asdict(schedule),
        batch_size=32,
        seed=seed,
        threads=1,
        out=OUT / method / rate,
        momentum=0.9,
        weight_decay=0.0005,
        device="cpu",
    )


def prune_at(
    kind: str,
    stage: Callable[[Any], None],
    method: str,
    rate: str,
    scope: str,
    schedule: Schedule = ONE_SHOT,
    seed: int = 0,
) -> Path:
    asked = request(method, registry.complete(kind, method, {}), rate, scope, schedule, seed, kind)
    stage(asked)
    return asked.out
