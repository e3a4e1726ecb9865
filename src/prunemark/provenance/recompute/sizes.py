"""Sparsity and bytes, from masks, weights and the sizes of files; no network is built."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from prunemark.disk.files import read_json
from prunemark.provenance.recompute.reported_figures import Figure, Figures, Place, number
from prunemark.pruning.mask import decode
from prunemark.receipts.chain import Break

Tensors = dict[str, np.ndarray]
# Of an image of the network's own size, which only running it tells.
LEFT_OUT = {
    "macs": "multiply-accumulates need the sizes of the network's feature maps",
    "macs_nonzero": "multiply-accumulates need the sizes of the network's feature maps",
}
NO_PARAMETER = ("mean", "std", "running_mean", "running_var", "input_range")


@dataclass(frozen=True)
class Left:
    """What a cell leaves of the marked encoder: tensors as they answer queries, and the mask where there is one."""

    tensors: Tensors
    mask: Tensors | None


def size_figures(marked: Tensors, pruned: Path | None, left: Left) -> Figures:
    """The sizes of the encoder with tensors ``marked``, of which the folder ``pruned`` leaves ``left``."""
    total = sum(weight.size for weight in prunable(marked).values())
    removed = 0 if left.mask is None else sum(int((~part).sum()) for part in left.mask.values())
    found: Figures = {Place("sparsity"): counted("weights", removed, total)}
    kept = sum(int(np.count_nonzero(weight)) for weight in prunable(left.tensors).values())
    parameters, still = (parameter_count(marked, False), parameter_count(left.tensors, True))
    found[Place("nonzeros")] = number("weights", kept)
    found[Place("compression_ratio")] = number("parameters over non-zeros", parameters / still)
    found |= {Place(f"{name}_bytes"): number("bytes", count) for name, count in layouts(left.tensors).items()}
    if pruned and left.mask is not None:
        found |= stored(pruned, left.mask, marked, left.tensors)
    return found


def what_is_left(marked: Tensors, pruned: Path | None) -> Left:
    """The mask applied and what recovered put back; or the smaller or altered encoder as it lies there."""
    if pruned is None:
        return Left(marked, None)
    names = {Path(path).name for path in read_json(pruned / "receipt.json")["outputs"]}
    mask = None
    if "mask.pmk" in names:
        decoded = decode((pruned / "mask.pmk").read_bytes(), (pruned / "mask.pmk").as_posix()).mask
        mask = {name: part.numpy() for name, part in decoded.items()}
    if "encoder.safetensors" in names:
        return Left(load_file(pruned / "encoder.safetensors"), mask)
    masked = {name: np.where(mask[name], part, 0) if mask and name in mask else part for name, part in marked.items()}
    if mask and "recovered.safetensors" in names:
        put_back(masked, load_file(pruned / "recovered.safetensors"), mask)
    return Left(masked, mask)


def layer_breaks(folder: Path, pruned: Path, mask: Tensors) -> Iterator[Break]:
    """Where removed weights are counted, layer by layer, otherwise than in the mask: beside it and in the scores, from
    which the page draws them."""
    counted = {name: [int((~part).sum()), part.size] for name, part in mask.items()}
    beside, scores = f"{pruned}/sparsity.json", f"{folder}/scores.json"
    said = read_json(Path(beside))["layers"]
    if {name: [layer["removed"], layer["total"]] for name, layer in said.items()} != counted:
        yield Break(beside, "its layers are not those of the mask beside it")
    if read_json(Path(scores))["sizes"]["layers"] != counted:
        yield Break(scores, f"its layers are not those of {pruned}/mask.pmk")


def put_back(tensors: Tensors, recovered: Tensors, mask: Tensors) -> None:
    """``surviving`` follows the kept weights, anything else all tensors whose name ends so, both by order of name."""
    for kind, values in recovered.items():
        at = 0
        for name in sorted(tensors):
            if kind == "surviving" and name in mask:
                count = int(mask[name].sum())
                tensors[name] = tensors[name].copy()
                tensors[name][mask[name]] = values[at : at + count]
                at += count
            elif name not in mask and name.split(".")[-1] == kind:
                tensors[name] = values[at : at + tensors[name].size].reshape(tensors[name].shape)
                at += tensors[name].size


def prunable(tensors: Tensors) -> Tensors:
    """The weights of convolutions and linear layers: all that have more than one axis."""
    return {name: part for name, part in tensors.items() if part.ndim > 1}


def parameter_count(tensors: Tensors, nonzero: bool) -> int:
    own = [part for name, part in tensors.items() if name.split(".")[-1] not in NO_PARAMETER]
    return sum(int(np.count_nonzero(part)) if nonzero else part.size for part in own)


def layouts(tensors: Tensors) -> dict[str, int]:
    """Bytes as float32, as float16, as a bit per weight beside the non-zeros, and as compressed sparse rows with 4-byte
    indices wherever these are smaller."""
    dense = {name: part.nbytes for name, part in tensors.items()}
    weights = prunable(tensors)
    kept = {name: int(np.count_nonzero(part)) for name, part in weights.items()}
    others = sum(count for name, count in dense.items() if name not in weights)
    rows = {name: 8 * kept[name] + 4 * (len(part) + 1) for name, part in weights.items()}
    return {
        "dense": sum(dense.values()),
        "half": sum(2 * part.size for part in tensors.values()),
        "bitmask": others + sum(math.ceil(part.size / 8) + 4 * kept[name] for name, part in weights.items()),
        "sparse": others + sum(min(dense[name], rows[name]) for name in weights),
    }


def stored(pruned: Path, mask: Tensors, marked: Tensors, tensors: Tensors) -> Figures:
    """Bytes of the files of a cell, the entropy of its mask, and channels by the shapes of both encoders."""
    sparsity = read_json(pruned / "sparsity.json")
    names = {Path(path).name for path in read_json(pruned / "receipt.json")["outputs"]} - {"sparsity.json"}
    found: Figures = {}
    if "channels" in sparsity:
        names.discard("mask.pmk")
        pairs = [(marked[f"{name}.weight"], tensors[f"{name}.weight"]) for name in sparsity["channels"]["groups"]]
        total = sum(len(before) for before, _ in pairs)
        removed = total - sum(len(now) for _, now in pairs)
        found[Place("channel_sparsity")] = counted("removable channels", removed, total)
    entropy = sum(bits(part) for part in mask.values()) / 8
    found[Place("mask_entropy_bytes")] = number("bytes", entropy)
    found[Place("mask_bytes")] = number("bytes", (pruned / "mask.pmk").stat().st_size)
    found[Place("stored_bytes")] = number("bytes", sum((pruned / name).stat().st_size for name in names))
    return found


def bits(part: np.ndarray) -> float:
    """n H(p) of a part of n entries of which the share p is kept, in bits."""
    p = float(part.mean())
    return 0.0 if p in (0.0, 1.0) else -part.size * (p * math.log2(p) + (1 - p) * math.log2(1 - p))


def counted(unit: str, k: int, n: int) -> Figure:
    """A share that is no estimate, and so has no interval."""
    return number(unit, k / n, k=k, n=n)
