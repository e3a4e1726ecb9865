"""Views: their shape and range, the distribution of their draws, and the colour map step by step."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from prunemark import registry
from prunemark.methods.datasets._torchvision import torchvision
from prunemark.methods.objectives import _views
from prunemark.methods.objectives._views import colour_map, crop_and_flip, hue_rotation, recolour, two_views
from prunemark.model.randomness import generator

GREY = torch.tensor([0.299, 0.587, 0.114])
MANY = 20_000
WHOLE = (1.0, 0.5, 0.5, 0.5, 0.9)
NO_COLOUR = (0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.5)


def draws(columns: int, rows: int = MANY) -> Tensor:
    return torch.rand(rows, columns, generator=generator("test draws", columns))


def pictures(count: int, size: int = 16) -> Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator("test pictures"))


def standard_error(share: float, n: int = MANY) -> float:
    return math.sqrt(share * (1 - share) / n)


def fix_draws(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """Let every image draw these numbers."""
    monkeypatch.setattr(_views.torch, "rand", lambda n, k, generator: torch.tensor([values]).expand(n, k))


@pytest.mark.parametrize("name", registry.names("objectives"))
def test_views_of_every_objective(name: str) -> None:
    views: Callable[[Tensor, torch.Generator], Tensor] = registry.load("objectives", name).VIEWS
    images = pictures(6)
    before = images.clone()
    found = views(images, generator("test"))
    assert found.shape == (12, 3, 16, 16)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal(images, before)
    torch.manual_seed(1)
    assert torch.equal(views(images, generator("test")), found)
    assert not torch.equal(views(images, generator("other")), found)


def test_every_image_has_its_own_draw_in_both_views() -> None:
    views = two_views(pictures(1).repeat(20, 1, 1, 1), generator("test"))
    assert len(views.flatten(1).unique(dim=0)) == 40


def test_the_two_views_of_an_image_lie_one_batch_apart() -> None:
    images = torch.zeros(4, 16, 16, 3, dtype=torch.uint8)
    images[:2] = 255
    views = two_views(images, generator("test")).mean(dim=(1, 2, 3))
    assert (views.view(2, 4)[:, :2] > 0.5).all()
    assert (views.view(2, 4)[:, 2:] == 0).all()


def test_the_stream_goes_on() -> None:
    source = generator("test")
    first, second = two_views(pictures(4), source), two_views(pictures(4), source)
    assert not torch.equal(first, second)


def test_crops_lie_inside_and_have_the_papers_areas_and_ratios() -> None:
    theta = crop_and_flip(draws(5)).double()
    width, height = theta[:, 0, 0].abs(), theta[:, 1, 1]
    area, ratio = width * height, width / height
    assert (theta[:, 0, 1] == 0).all()
    assert (theta[:, 1, 0] == 0).all()
    assert (theta[:, 0, 2].abs() + width <= 1 + 1e-6).all()
    assert (theta[:, 1, 2].abs() + height <= 1 + 1e-6).all()
    assert 0.2 - 1e-6 <= area.min() < 0.21
    assert 0.99 < area.max() <= 1 + 1e-6
    assert 3 / 4 - 1e-6 <= ratio.min() < 0.76
    assert 1.32 < ratio.max() <= 4 / 3 + 1e-6
    # Below an area of 3/4 nothing is cut to the image's side, and areas are uniform.
    for bound in (0.3, 0.475, 0.7):
        share = (bound - 0.2) / 0.8
        assert (area < bound).double().mean().item() == pytest.approx(share, abs=4 * standard_error(share))
    small = ratio[area < 0.7].log()
    assert (small < 0).double().mean().item() == pytest.approx(0.5, abs=4 * standard_error(0.5, len(small)))
    assert small.var().item() == pytest.approx((2 * math.log(4 / 3)) ** 2 / 12, rel=0.05)


def test_crops_are_placed_uniformly() -> None:
    theta = crop_and_flip(draws(5)).double()
    for axis in (0, 1):
        room = 1 - theta[:, axis, axis].abs()
        place = (theta[:, axis, 2] / room)[room > 1e-3]
        assert place.mean().item() == pytest.approx(0, abs=4 / math.sqrt(3 * len(place)))
        assert place.var().item() == pytest.approx(1 / 3, rel=0.05)


def test_half_the_crops_are_flipped() -> None:
    flipped = (crop_and_flip(draws(5))[:, 0, 0] < 0).double().mean().item()
    assert flipped == pytest.approx(0.5, abs=4 * standard_error(0.5))


def test_whole_crops_without_colour_are_the_image_or_its_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(3)
    pixels = images.permute(0, 3, 1, 2) / 255
    fix_draws(monkeypatch, *WHOLE, *NO_COLOUR)
    torch.testing.assert_close(two_views(images, generator("test")), pixels.repeat(2, 1, 1, 1), atol=1e-5, rtol=0)
    fix_draws(monkeypatch, *WHOLE[:4], 0.1, *NO_COLOUR)
    mirrored = pixels.flip(3).repeat(2, 1, 1, 1)
    torch.testing.assert_close(two_views(images, generator("test")), mirrored, atol=1e-5, rtol=0)


def test_a_crop_of_a_ramp_is_the_ramp_it_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bilinear interpolation is exact on a linear image: red counts columns, green rows."""
    size = 32
    ramp = torch.arange(size) * 8
    images = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.zeros(size, size)], dim=2)
    fix_draws(monkeypatch, (0.36 - 0.2) / 0.8, 0.5, 1.0, 0.0, 0.9, *NO_COLOUR)
    view = two_views(images[None].to(torch.uint8), generator("test"))[0]
    # A crop of 0.6 x 0.6 in the upper right corner: 19.2 pixels wide, pixel centres 0.6 apart.
    columns = (size * 0.4 + (torch.arange(size) + 0.5) * 0.6 - 0.5).clamp(max=size - 1)
    rows = ((torch.arange(size) + 0.5) * 0.6 - 0.5).clamp(min=0)
    inside = slice(1, -1)
    torch.testing.assert_close(view[0, :, inside] * 255 / 8, columns.expand(size, size)[:, inside], atol=1e-3, rtol=0)
    torch.testing.assert_close(view[1, inside] * 255 / 8, rows[:, None].expand(size, size)[inside], atol=1e-3, rtol=0)


def test_shares_of_jitter_and_of_grey() -> None:
    images = torch.rand(1, 3, 2, 2, generator=generator("test colours")).expand(MANY, 3, 2, 2)
    matrix, offset = colour_map(images, draws(7))
    grey = (matrix - matrix[:, :1]).abs().amax(dim=(1, 2)) < 1e-7
    still = (matrix == torch.eye(3)).all(dim=2).all(dim=1) & (offset == 0).all(dim=1)
    assert grey.double().mean().item() == pytest.approx(0.2, abs=4 * standard_error(0.2))
    assert still.double().mean().item() == pytest.approx(0.2 * 0.8, abs=4 * standard_error(0.16))
    plain_grey = (matrix == GREY).all(dim=2).all(dim=1)
    assert plain_grey.double().mean().item() == pytest.approx(0.2 * 0.2, abs=4 * standard_error(0.04))


def test_without_jitter_and_grey_the_map_is_the_identity() -> None:
    images = torch.rand(50, 3, 4, 4, generator=generator("test colours"))
    drawn = draws(7, 50)
    drawn[:, 4] = drawn[:, 5] = 0.9
    matrix, offset = colour_map(images, drawn)
    assert torch.equal(matrix, torch.eye(3).expand(50, 3, 3))
    assert torch.equal(offset, torch.zeros(50, 3))
    torch.testing.assert_close(recolour(images, matrix, offset), images, atol=0, rtol=0)


def step_by_step(image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Brightness, contrast, saturation, hue and greyscale one after the other on (3, H, W), clamped nowhere."""
    grey = np.array([0.299, 0.587, 0.114])
    b, c, s = 1 + (2 * drawn[:3] - 1) * 0.4
    if drawn[4] < 0.8:
        image = b * image
        image = c * image + (1 - c) * np.tensordot(grey, image, 1).mean()
        image = s * image + (1 - s) * np.tensordot(grey, image, 1)
        angle = 2 * np.pi * (2 * drawn[3] - 1) * 0.1
        to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
        luma, i, q = np.tensordot(to_yiq, image, 1)
        turned = [luma, np.cos(angle) * i - np.sin(angle) * q, np.sin(angle) * i + np.cos(angle) * q]
        image = np.tensordot(np.linalg.inv(to_yiq), np.array(turned), 1)
    if drawn[5] < 0.2:
        image = np.broadcast_to(np.tensordot(grey, image, 1), image.shape)
    return image


def test_the_colour_map_is_its_steps_in_one() -> None:
    images, drawn = torch.rand(60, 3, 5, 5, generator=generator("test colours")), draws(7, 60)
    found = recolour(images, *colour_map(images, drawn))
    for image, numbers, result in zip(images, drawn, found, strict=True):
        expected = step_by_step(image.double().numpy(), numbers.double().numpy()).clip(0, 1)
        np.testing.assert_allclose(result.numpy(), expected, atol=2e-5)


def test_brightness_contrast_and_saturation_are_torchvisions() -> None:
    """On colours that no step clamps; torchvision's grey has 0.2989 for 0.299."""
    functional = torchvision().transforms.functional
    images = 0.35 + 0.2 * torch.rand(8, 3, 6, 6, generator=generator("test colours"))
    drawn = draws(7, 8)
    drawn[:, 3], drawn[:, 4], drawn[:, 5] = 0.5, 0.0, 0.9
    found = recolour(images, *colour_map(images, drawn))
    for image, numbers, result in zip(images, drawn, found, strict=True):
        b, c, s = (1 + (2 * numbers[:3] - 1) * 0.4).tolist()
        expected = functional.adjust_saturation(
            functional.adjust_contrast(functional.adjust_brightness(image, b), c), s
        )
        torch.testing.assert_close(result, expected, atol=2e-4, rtol=0)


def test_grey_images_stay_grey() -> None:
    images = torch.rand(50, 1, 4, 4, generator=generator("test colours")).expand(50, 3, 4, 4)
    found = recolour(images, *colour_map(images, draws(7, 50)))
    torch.testing.assert_close(found, found[:, :1].expand_as(found), atol=2e-6, rtol=0)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_hue_rotations_keep_luma_and_add_up(a: float, b: float) -> None:
    first, second, both = hue_rotation(torch.tensor([a, b, a + b]))
    torch.testing.assert_close(GREY @ first, GREY, atol=1e-5, rtol=0)
    torch.testing.assert_close(first @ second, both, atol=2e-5, rtol=0)
    torch.testing.assert_close(first @ torch.ones(3), torch.ones(3), atol=1e-5, rtol=0)


def test_a_full_turn_of_hue_is_none() -> None:
    torch.testing.assert_close(
        hue_rotation(torch.tensor([0.0, 1.0, -1.0])), torch.eye(3).expand(3, 3, 3), atol=1e-5, rtol=0
    )


def test_recolouring_clamps() -> None:
    found = recolour(torch.full((1, 3, 1, 2), 0.5), 3 * torch.eye(3)[None], torch.tensor([[0.0, -1.0, -2.0]]))
    assert found[0, :, 0, 0].tolist() == [1.0, 0.5, 0.0]
