"""Time the pruned encoders of one pruner beside their original (part of the evaluate stage).

Times vary from run to run, so they go to the journal and nothing else is left but the receipt. All encoders take turns
in every round, so that what else the machine does hits all alike.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from prunemark.formats.journal import Latency, Measured
from prunemark.formats.receipt import RECEIPT, read_receipt
from prunemark.model.encoder import Encoder
from prunemark.model.hardware import precision
from prunemark.model.randomness import generator
from prunemark.point import Point
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import LatencyRequest
from prunemark.stages.pruned_encoder import read_pruned

ROUNDS = {1: 30, 256: 5}  # by batch size, after one round that does not count
MASKED, SHRUNK = "masked", "shrunk"


def latency(request: LatencyRequest) -> None:
    """Time the forward pass of the original and of what is in the folders ``pruned``, in the forms that each has, in
    float32 and, where the processor has arithmetic for it, with all weights and activations in bfloat16. Seconds per
    batch, by quartiles."""
    torch.set_num_threads(request.threads)
    marked, recorder = request.marked, Recorder("latency", request.out, request.parameters())
    recorder.reads(marked / "encoder.safetensors", marked / RECEIPT)
    forms: dict[tuple[str, str], Encoder] = {(Point().original.way, MASKED): read_pruned(marked, None).held}
    for folder in request.pruned:
        recorder.reads(folder / RECEIPT)
        recorder.reads(*map(Path, read_receipt(folder).outputs))
        cell, name = read_pruned(marked, folder), Point.from_path(folder).way
        forms[name, MASKED] = cell.held
        if cell.served is not cell.held:
            forms[name, SHRUNK] = cell.served
    types = [torch.float32, *([torch.bfloat16] if precision("cpu") == torch.bfloat16 else [])]
    recorder.measured = Measured(threads=request.threads, latency=timed(forms, types))
    recorder.finish()


def timed(forms: dict[tuple[str, str], Encoder], types: list[torch.dtype]) -> Latency:
    """Quartiles of the seconds of a forward pass, by cell, form and precision, and batch size. The encoders are cast to
    every type in turn, in place: the widest comes first."""
    quartiles: Latency = {}
    for kind in types:
        for encoder in forms.values():
            encoder.to(kind)
        for batch, rounds in ROUNDS.items():
            seconds: dict[tuple[str, str], list[float]] = {place: [] for place in forms}
            for turn in range(rounds + 1):
                for place, encoder in forms.items():
                    took = forward_seconds(encoder, batch, kind)
                    if turn:
                        seconds[place].append(took)
            for (cell, form), values in seconds.items():
                title = f"{form}, {str(kind).removeprefix('torch.')}"
                low, median, high = (float(f"{q:.4g}") for q in np.quantile(values, (0.25, 0.5, 0.75)))
                quartiles.setdefault(cell, {}).setdefault(title, {})[str(batch)] = (low, median, high)
    return quartiles


def forward_seconds(encoder: Encoder, batch: int, kind: torch.dtype) -> float:
    size = encoder.spec.image_size
    images = torch.rand(batch, 3, size, size, generator=generator("latency")).to(kind)
    with torch.inference_mode():
        started = time.perf_counter()
        encoder(images)
        return time.perf_counter() - started
