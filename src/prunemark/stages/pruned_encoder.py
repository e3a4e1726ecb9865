"""What the prune stage left, as an encoder again."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from prunemark.disk.files import sha256_file
from prunemark.disk.tensors import read_encoder, read_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import read_receipt
from prunemark.model.encoder import Encoder, state
from prunemark.pruning import mask as masks
from prunemark.pruning.channels import expand
from prunemark.pruning.mask import Mask


@dataclass(frozen=True)
class Pruned:
    """``served`` answers queries; ``held`` shows its weights, in the shapes of the ``marked`` encoder that it was made
    from. They differ only where channels were removed. ``mask`` is there where one was made.
    """

    served: Encoder
    held: Encoder
    marked: Encoder
    mask: Mask | None


def read_pruned(marked: Path, pruned: Path | None) -> Pruned:
    """The encoder of a cell, bit for bit: the marked one (``pruned`` none: the original), that with a mask applied and
    what recovered since, that without some channels, or what an alteration left.

    Raises:
        PrunemarkError: nothing that fits, or a mask that belongs to other bytes than those of the marked encoder.
    """
    original = read_encoder(marked / "encoder.safetensors")
    if pruned is None:
        return Pruned(original, original, original, None)
    receipt = read_receipt(pruned)
    # By the receipt, since files of an earlier run of the same name may lie there still.
    left = {Path(path).name for path in receipt.outputs}
    if "mask.pmk" not in left:
        if receipt.stage != "alter" or sha256_file(marked / "encoder.safetensors") not in receipt.inputs.values():
            raise PrunemarkError(f"{pruned}: neither a pruning nor an alteration of {marked}, its receipt says")
        altered = read_encoder(pruned / "encoder.safetensors")
        return Pruned(altered, altered, original, None)
    mask = read_mask(marked, pruned)
    if "encoder.safetensors" in left:
        small = read_encoder(pruned / "encoder.safetensors")
        return Pruned(small, expanded(small, original, mask, pruned), original, mask)
    masked = masks.apply(copy.deepcopy(original), mask)
    if "recovered.safetensors" in left:
        restore(masked, read_tensors(pruned / "recovered.safetensors")[0], mask)
    return Pruned(masked, masked, original, mask)


def expanded(small: Encoder, original: Encoder, mask: Mask, pruned: Path) -> Encoder:
    """The smaller encoder in the shapes of the original, by the mask beside it."""
    try:
        return expand(small, original, mask)
    except (RuntimeError, KeyError):
        raise PrunemarkError(f"{pruned}: encoder.safetensors has not the channels that mask.pmk leaves") from None


def read_mask(marked: Path, pruned: Path) -> Mask:
    """The mask of a pruned folder, which must have been made for this very encoder."""
    source, weights_file = pruned / "mask.pmk", marked / "encoder.safetensors"
    if not source.is_file():
        raise PrunemarkError(f"{source}: no such file")
    container = masks.decode(source.read_bytes(), source.as_posix())
    found = sha256_file(weights_file)
    if container.encoder_sha256 != found:
        raise PrunemarkError(f"{source}: made for an encoder of sha256 {container.encoder_sha256}, this is {found}")
    return container.mask


def changed(original: Encoder, pruned: Encoder, mask: Mask) -> dict[str, Tensor]:
    """What `restore` needs to make ``pruned`` from ``original`` with ``mask``: of every kind of tensor that differs all
    values, one after the other in the order of `state`, of weights only those that survive."""
    before, after = (kinds(state(e), mask) for e in (masks.apply(copy.deepcopy(original), mask), pruned))
    bits = torch.int32  # 0 and -0 differ
    return {kind: part for kind, part in after.items() if not torch.equal(part.view(bits), before[kind].view(bits))}


def kinds(tensors: dict[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    """The values (n,) of all tensors by kind: ``surviving`` weights, and the last part of the name of all others."""
    found: dict[str, list[Tensor]] = {}
    for name, part in tensors.items():
        found.setdefault(kind_of(name, mask), []).append(part[mask[name]] if name in mask else part.flatten())
    return {kind: torch.cat(parts) for kind, parts in found.items()}


def kind_of(name: str, mask: Mask) -> str:
    return "surviving" if name in mask else name.rsplit(".", 1)[-1]


def restore(encoder: Encoder, values: dict[str, Tensor], mask: Mask) -> None:
    """Put what `changed` kept into the masked encoder, in place.

    Raises:
        PrunemarkError: values that do not fit, or are not finite float32.
    """
    target = encoder.state_dict()
    names = {kind: [name for name in state(encoder) if kind_of(name, mask) == kind] for kind in values}
    with torch.no_grad():
        for kind, part in values.items():
            room = [int(mask[name].sum()) if name in mask else target[name].numel() for name in names[kind]]
            if part.dtype != torch.float32 or part.shape != (sum(room),) or not part.isfinite().all():
                found = f"{part.dtype} {tuple(part.shape)}".removeprefix("torch.")
                raise PrunemarkError(f"recovered {kind}: {found} is not allowed: {sum(room)} finite float32 values")
            for name, own in zip(names[kind], part.split(room), strict=True):
                if name in mask:
                    target[name][mask[name]] = own
                else:
                    target[name].copy_(own.view(target[name].shape))
