"""Prune one marked encoder at one rate: the artefact is the mask, not another copy of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from prunemark import mask as masks
from prunemark import methods
from prunemark.encoder import Encoder, weights
from prunemark.errors import PrunemarkError
from prunemark.files import write_bytes, write_json
from prunemark.randomness import generator
from prunemark.record import RECEIPT, Recorder, sha256_file
from prunemark.stages._data import read_data
from prunemark.store import read_encoder


def prune(
    data: Path,
    marked: Path,
    method: str,
    settings: dict[str, Any],
    scope: str,
    rate: str,
    seed: int,
    threads: int,
    out: Path,
) -> None:
    """Score the weights of ``marked``, keep the share 1 - ``rate`` of them, write the mask and the sparsity."""
    torch.set_num_threads(threads)
    parameters = {
        "data": data.as_posix(),
        "marked": marked.as_posix(),
        "method": method,
        "set": settings,
        "scope": scope,
        "rate": rate,
        "seed": seed,
        "threads": threads,
        "out": out.as_posix(),
    }
    recorder = Recorder("prune", out, parameters, seed)
    images = read_data(data, recorder)
    weights_file = marked / "encoder.safetensors"
    recorder.reads(marked / RECEIPT, weights_file)
    encoder = read_encoder(weights_file)
    scores = methods.load("pruners", method).scores(
        encoder, images.images("keypool"), generator("prune", method, seed), **settings
    )
    mask = masks.masks_from_scores(scores, rate, scope)
    write_bytes(out / "mask.pmk", masks.encode(mask, sha256_file(weights_file)))
    write_json(out / "sparsity.json", sparsity(encoder, mask, rate))
    recorder.wrote("mask.pmk", "sparsity.json")
    recorder.finish()


def sparsity(encoder: Encoder, mask: masks.Mask, rate: str) -> dict[str, Any]:
    """The requested rate beside what was achieved, over all weights and per layer (counts of removed weights)."""
    layers = {name: {"total": mask[name].numel(), "removed": int((~mask[name]).sum())} for name in weights(encoder)}
    total, removed = (sum(layer[what] for layer in layers.values()) for what in ("total", "removed"))
    return {
        "requested": rate,
        "total": total,
        "removed": removed,
        "achieved": removed / total,
        "mask_entropy_bytes": masks.entropy_bytes(mask),
        "layers": layers,
    }


def read_pruned(marked: Path, pruned: Path | None) -> Encoder:
    """The encoder of a cell, bit for bit: the marked one (``pruned`` none: the original), that with a mask applied, or
    what an alteration left.

    Raises:
        PrunemarkError: no mask, or one that belongs to other bytes than those of the marked encoder.
    """
    if pruned and is_altered(pruned):
        return read_encoder(pruned / "encoder.safetensors")
    weights_file = marked / "encoder.safetensors"
    encoder = read_encoder(weights_file)
    if pruned is None:
        return encoder
    source = pruned / "mask.pmk"
    if not source.is_file():
        raise PrunemarkError(f"{source}: no such file")
    container = masks.decode(source.read_bytes(), source.as_posix())
    found = sha256_file(weights_file)
    if container.encoder_sha256 != found:
        raise PrunemarkError(f"{source}: made for an encoder of sha256 {container.encoder_sha256}, this is {found}")
    return masks.apply(encoder, container.mask)


def is_altered(pruned: Path) -> bool:
    """Whether a folder of the prune stage holds an altered encoder instead of a mask."""
    return (pruned / "encoder.safetensors").is_file()
