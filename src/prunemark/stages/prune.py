"""Prune weights of one marked encoder at one rate: the artefact is the mask, not another copy of the weights.

Where something recovers after pruning, what it changed is kept beside the mask: surviving values, and what has no mask.
"""

from __future__ import annotations

import torch

from prunemark import registry
from prunemark.disk.files import sha256_file, write_bytes
from prunemark.disk.tensors import write_tensors
from prunemark.formats.sparsity import SCHEMA, Count, Sparsity
from prunemark.formats.written import write
from prunemark.model.encoder import Encoder
from prunemark.pruning import mask as masks
from prunemark.pruning.mask import Mask
from prunemark.pruning.pruning_schedule import NONE
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import PruneRequest
from prunemark.stages.pruned_encoder import changed
from prunemark.stages.pruning_run import Subject


def prune(request: PruneRequest) -> None:
    """Score the weights, keep the share 1 - rate of them, write the mask, the sparsity and what recovered."""
    recorder = Recorder("prune", request.out, request.parameters(), request.seed)
    subject = Subject(request, recorder)
    criterion = registry.load("pruners", request.method)

    def mask_at(encoder: Encoder, before: Mask, rate: str) -> Mask:
        found = criterion.scores(encoder, subject.batches, subject.draws("scores"), **request.set)
        left = {name: torch.where(before[name], part.double(), -torch.inf) for name, part in found.items()}
        return masks.masks_from_scores(left, rate, request.scope)

    pruned, mask = subject.pruned(mask_at)
    write_bytes(request.out / "mask.pmk", masks.encode(mask, sha256_file(subject.weights_file)))
    write(request.out / "sparsity.json", sparsity(mask, request.rate))
    recorder.wrote("mask.pmk", "sparsity.json")
    if request.recovery != NONE:
        write_tensors(request.out / "recovered.safetensors", changed(subject.encoder, pruned, mask))
        recorder.wrote("recovered.safetensors")
    recorder.finish()


def sparsity(mask: Mask, rate: str) -> Sparsity:
    """The requested rate beside what was achieved, over all weights and per layer (counts of removed weights)."""
    layers = {name: Count(total=part.numel(), removed=int((~part).sum())) for name, part in mask.items()}
    total, removed = (sum(getattr(layer, what) for layer in layers.values()) for what in ("total", "removed"))
    return Sparsity(
        schema=SCHEMA,
        requested=rate,
        total=total,
        removed=removed,
        achieved=removed / total,
        mask_entropy_bytes=masks.entropy_bytes(mask),
        layers=layers,
    )
