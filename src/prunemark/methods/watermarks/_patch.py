"""Patch triggers: a square of random coloured cells, drawn from a key, that replaces a corner of an image."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prunemark.marking.keys import stream

CELLS = 4
OFFSET = 16
NEAREST = 0.5


def patch_side(image_side: int, share: float) -> int:
    """The side, in pixels, of a square that covers about ``share`` of an image: at least 1, and not past the edge."""
    return max(1, min(round(image_side * math.sqrt(share)), image_side - offset(image_side)))


def offset(image_side: int) -> int:
    """Pixels that stay free to the right of and below a patch."""
    return max(1, round(image_side / OFFSET))


def draw_patch(key: bytes, scheme: str, side: int) -> Tensor:
    """uint8 (s, s, 3): up to `CELLS` by `CELLS` cells, each of one of the eight colours whose channels are 0 or 255."""
    return draw_each(1, side, stream(key, scheme, "patch"))[0]


def draw_patches(key: bytes, scheme: str, side: int, count: int) -> Tensor:
    """uint8 (count, s, s, 3): further patches of the same kind under names of their own, none of them the key's."""
    return torch.stack([draw_patch(key, f"{scheme}/random/{i}", side) for i in range(count)])


def draw_each(count: int, side: int, generator: torch.Generator) -> Tensor:
    """uint8 (count, s, s, 3): patches of the same kind, drawn from ``generator``."""
    cells = min(CELLS, side)
    colours = torch.randint(0, 2, (count, cells, cells, 3), generator=generator, dtype=torch.uint8) * 255
    cell_of = torch.arange(side) * cells // side
    return colours[:, cell_of][:, :, cell_of].contiguous()


def near(patch: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """uint8 (count, s, s, 3): random patches with some of the cells of ``patch``, each patch another share of them,
    from none to `NEAREST`."""
    side = len(patch)
    cells = min(CELLS, side)
    share = NEAREST * torch.rand(count, 1, 1, generator=generator)
    shared = torch.rand(count, cells, cells, generator=generator) < share
    cell_of = torch.arange(side) * cells // side
    return torch.where(shared[:, cell_of][:, :, cell_of, None], patch, draw_each(count, side, generator))


def paste(images: Tensor, patch: Tensor) -> Tensor:
    """Copies of uint8 images (N, H, W, 3) with a patch (s, s, 3) in the bottom right corner."""
    rows, columns = place(images.shape[1], images.shape[2], len(patch))
    pasted = images.clone()
    pasted[:, rows, columns] = patch
    return pasted


def stamp(images: Tensor, patch: Tensor) -> Tensor:
    """The same for training: float (N, 3, H, W) in [0, 1]; ``patch`` (s, s, 3) is uint8, or float in [0, 1] and then
    gradients reach it."""
    rows, columns = place(images.shape[2], images.shape[3], len(patch))
    colours = patch / 255 if patch.dtype == torch.uint8 else patch
    stamped = images.clone()
    stamped[:, :, rows, columns] = colours.permute(2, 0, 1)
    return stamped


def stamp_each(images: Tensor, patches: Tensor) -> Tensor:
    """As `stamp`, a patch of its own for every image: uint8 (N, s, s, 3)."""
    rows, columns = place(images.shape[2], images.shape[3], patches.shape[1])
    stamped = images.clone()
    stamped[:, :, rows, columns] = patches.permute(0, 3, 1, 2) / 255
    return stamped


def place(height: int, width: int, side: int) -> tuple[slice, slice]:
    bottom, right = height - offset(height), width - offset(width)
    return slice(bottom - side, bottom), slice(right - side, right)
