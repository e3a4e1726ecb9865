"""Patches: their size, their place, and that training sees what verification sees."""

from __future__ import annotations

import pytest
import torch

from prunemark.methods.watermarks._patch import (
    draw_each,
    draw_patch,
    draw_patches,
    near,
    paste,
    patch_side,
    stamp,
    stamp_each,
)
from prunemark.model.encoder import to_float

KEY = bytes(range(32))


@pytest.mark.parametrize(("image", "side"), [(16, 4), (28, 6), (32, 7), (64, 14), (96, 21)])
def test_side_keeps_the_share_of_the_area(image: int, side: int) -> None:
    assert patch_side(image, 0.05) == side
    assert abs(side**2 / image**2 - 0.05) < 0.02


def test_side_stays_within_the_image() -> None:
    assert patch_side(16, 1.0) == 15
    assert patch_side(16, 1e-6) == 1


def test_patch_is_the_keys_and_saturated() -> None:
    patch = draw_patch(KEY, "wu", 8)
    assert torch.equal(patch, draw_patch(KEY, "wu", 8))
    assert not torch.equal(patch, draw_patch(bytes(32), "wu", 8))
    assert not torch.equal(patch, draw_patch(KEY, "armssl", 8))
    assert set(patch.unique().tolist()) == {0, 255}
    cells = patch.view(4, 2, 4, 2, 3)
    assert bool((cells == cells[:, :1, :, :1]).all())
    random = draw_patches(KEY, "wu", 8, 8)
    assert len({bytes(each.flatten().tolist()) for each in (patch, *random)}) == 9


def test_patch_replaces_the_corner_and_nothing_else() -> None:
    images = torch.randint(0, 256, (3, 28, 28, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    before, patch = images.clone(), draw_patch(KEY, "wu", 6)
    pasted = paste(images, patch)
    expected = before.clone()
    for n in range(3):
        for y in range(6):
            for x in range(6):
                expected[n, 20 + y, 20 + x] = patch[y, x]
    assert torch.equal(pasted, expected)
    assert torch.equal(images, before)


def test_training_sees_what_verification_sees() -> None:
    source = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8, generator=source)
    patches = draw_each(4, 4, source)
    assert torch.equal(stamp(to_float(images), patches[0]), to_float(paste(images, patches[0])))
    assert torch.equal(stamp(to_float(images), patches[0] / 255), to_float(paste(images, patches[0])))
    each = torch.cat([paste(images[i : i + 1], patches[i]) for i in range(4)])
    assert torch.equal(stamp_each(to_float(images), patches), to_float(each))


def test_gradients_reach_a_patch_that_is_learnt() -> None:
    patch = torch.zeros(4, 4, 3, requires_grad=True)
    stamp(torch.rand(2, 3, 16, 16), patch).sum().backward()
    assert patch.grad is not None
    assert bool((patch.grad == 2).all())


def test_near_patches_share_up_to_half_of_their_cells() -> None:
    patch = draw_patch(KEY, "wu", 8)
    close = near(patch, 400, torch.Generator().manual_seed(0)).view(400, 4, 2, 4, 2, 3)[:, :, 0, :, 0]
    shared = (close == patch.view(4, 2, 4, 2, 3)[:, 0, :, 0]).all(dim=3).float().mean(dim=(1, 2))
    # A cell is the key's by choice with probability 1/4 on average, else by chance with 1/8.
    assert float(shared.mean()) == pytest.approx(1 / 4 + 3 / 4 / 8, abs=0.02)
    assert float(shared.max()) < 1
