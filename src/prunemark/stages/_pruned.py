"""What the prune stage left, as an encoder again."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from prunemark import mask as masks
from prunemark.channels import expand
from prunemark.encoder import Encoder, state
from prunemark.errors import PrunemarkError
from prunemark.files import read_json
from prunemark.mask import Mask
from prunemark.record import RECEIPT, sha256_file
from prunemark.store import read_encoder, read_tensors


@dataclass(frozen=True)
class Pruned:
    """``served`` answers queries; ``held`` shows its weights, in the shapes of the marked encoder. They differ only
    where channels were removed. ``mask`` is there where one was made.
    """

    served: Encoder
    held: Encoder
    mask: Mask | None


def read_pruned(marked: Path, pruned: Path | None) -> Pruned:
    """The encoder of a cell, bit for bit: the marked one (``pruned`` none: the original), that with a mask applied and
    what recovered since, that without some channels, or what an alteration left.

    Raises:
        PrunemarkError: nothing that fits, or a mask that belongs to other bytes than those of the marked encoder.
    """
    original = read_encoder(marked / "encoder.safetensors")
    if pruned is None:
        return Pruned(original, original, None)
    # By the receipt, since files of an earlier run of the same name may lie there still.
    left = {Path(path).name for path in read_json(pruned / RECEIPT)["outputs"]}
    if "mask.pmk" not in left:
        altered = read_encoder(pruned / "encoder.safetensors")
        return Pruned(altered, altered, None)
    mask = read_mask(marked, pruned)
    if "encoder.safetensors" in left:
        small = read_encoder(pruned / "encoder.safetensors")
        return Pruned(small, expand(small, original, mask), mask)
    masked = masks.apply(original, mask)
    if "recovered.safetensors" in left:
        restore(masked, read_tensors(pruned / "recovered.safetensors")[0], mask)
    return Pruned(masked, masked, mask)


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
    """What `restore` needs to make ``pruned`` from ``original`` with ``mask``: every tensor that differs, of weights
    only the surviving values, in their order."""
    masked = state(masks.apply(copy.deepcopy(original), mask))
    bits = torch.int32  # 0 and -0 differ
    differing = {n: part for n, part in state(pruned).items() if not torch.equal(part.view(bits), masked[n].view(bits))}
    return {name: part[mask[name]] if name in mask else part for name, part in differing.items()}


def restore(encoder: Encoder, values: dict[str, Tensor], mask: Mask) -> None:
    """Put what `changed` kept into the masked encoder, in place.

    Raises:
        PrunemarkError: tensors that do not fit.
    """
    target = encoder.state_dict()
    with torch.no_grad():
        for name, part in values.items():
            room = mask[name].sum().item() if name in mask else getattr(target.get(name), "numel", lambda: -1)()
            if part.numel() != room:
                raise PrunemarkError(f"recovered values: {part.numel()} of {name} do not fit {room}")
            if name in mask:
                target[name][mask[name]] = part
            else:
                target[name].copy_(part)
