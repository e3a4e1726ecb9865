"""Scaling, cropping and decoding, against torchvision and Pillow."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunemark.disk.tensors import read_arrays
from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import _images
from prunemark.methods.datasets._torchvision import torchvision
from prunemark.methods.datasets.fashion_mnist_mini import EMBEDDED


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """A colour picture of 196x112 pixels: 7x4 images of clothes, in shifted colours."""
    tiles = read_arrays(EMBEDDED)["test_images"][:28].reshape(4, 7, 28, 28)
    grey = tiles.transpose(0, 2, 1, 3).reshape(112, 196)
    return Image.fromarray(np.stack([grey, np.roll(grey, 9, 0), 255 - grey], axis=2))


@pytest.mark.parametrize("box", [(0, 0, 196, 112), (3, 0, 60, 111), (0, 0, 28, 28), (1, 1, 34, 40), (5, 5, 12, 30)])
@pytest.mark.parametrize("size", [28, 32, 33, 64])
def test_square_is_torchvisions_resize_and_centre_crop(
    picture: Image.Image, box: tuple[int, int, int, int], size: int
) -> None:
    transforms = torchvision().transforms
    image = picture.crop(box)
    expected = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size)])(image)
    np.testing.assert_array_equal(np.asarray(_images.square(image, size)), np.asarray(expected))


def test_an_image_of_the_wanted_size_is_untouched(picture: Image.Image) -> None:
    image = picture.crop((0, 0, 40, 40))
    assert _images.square(image, 40) is image


def test_greyscale_is_repeated_and_resized() -> None:
    images = read_arrays(EMBEDDED)["test_images"][:5]
    same = _images.fit(images, 28)
    assert same.shape == (5, 28, 28, 3)
    assert all((same[..., channel] == images).all() for channel in range(3))
    larger = _images.fit(images, 32)
    expected = Image.fromarray(images[3]).resize((32, 32), Image.Resampling.BILINEAR).convert("RGB")
    np.testing.assert_array_equal(larger[3], np.asarray(expected))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK"])
def test_files_of_any_mode_become_three_channels(mode: str, picture: Image.Image, tmp_path: Path) -> None:
    name = "picture.jpg" if mode == "CMYK" else "picture.png"
    picture.crop((0, 0, 32, 32)).convert(mode).save(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        expected = np.asarray(image.convert("RGB"))
    found = _images.decode(tmp_path, [name], 32, "set")
    assert found.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_sixteen_bits_are_scaled_to_eight(byte_order: str, tmp_path: Path) -> None:
    """k * 257 is k / 255 of white; what lies between two of them goes to the nearer."""
    values = np.arange(256, dtype=np.uint32).reshape(16, 16) * 257
    for name, shift in (("exact", 0), ("above", 128), ("below", -128)):
        stored = np.clip(values.astype(np.int64) + shift, 0, 65535).astype(byte_order)
        Image.fromarray(stored).save(tmp_path / f"{name}.tif")
        with Image.open(tmp_path / f"{name}.tif") as image:
            assert image.mode == ("I;16" if byte_order == "<u2" else "I;16B")
        found = _images.decode(tmp_path, [f"{name}.tif"], 16, "set")[0]
        np.testing.assert_array_equal(found, np.repeat((values // 257).astype(np.uint8)[..., None], 3, axis=2))


def test_a_grey_png_of_sixteen_bits_is_no_white_square(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    Image.fromarray(values).save(tmp_path / "grey.png")
    found = _images.decode(tmp_path, ["grey.png"], 20, "set")[0, ..., 0]
    np.testing.assert_array_equal(found, np.rint(values.astype(np.float64) * 255 / 65535))


def test_floats_from_0_to_1_are_scaled_to_eight_bits(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "floats.tif")
    found = _images.decode(tmp_path, ["floats.tif"], 16, "set")[0, ..., 1]
    np.testing.assert_array_equal(found.flatten(), np.arange(256))


@pytest.mark.parametrize(
    ("mode", "values"),
    [
        ("F", np.full((4, 4), 1.5, np.float32)),
        ("F", np.full((4, 4), -0.1, np.float32)),
        ("F", np.full((4, 4), np.nan, np.float32)),
        ("I", np.full((4, 4), 300, np.int32)),
        ("LAB", np.zeros((4, 4, 3), np.uint8)),
    ],
)
def test_values_of_an_unknown_scale_are_refused_by_name(mode: str, values: np.ndarray, tmp_path: Path) -> None:
    image = Image.fromarray(values) if mode != "LAB" else Image.merge("LAB", [Image.fromarray(values[..., 0])] * 3)
    assert image.mode == mode
    (tmp_path / "train/cat").mkdir(parents=True)
    image.save(tmp_path / "train/cat/odd.tif")
    with pytest.raises(PrunemarkError) as caught:
        _images.decode(tmp_path, ["train/cat/odd.tif"], 4, "set.zip")
    said = str(caught.value)
    assert said.startswith("set.zip: train/cat/odd.tif: ")
    assert ("[0, 1]" if mode == "F" else f"mode {mode!r} is not allowed") in said
    assert "\n" not in said


@pytest.mark.parametrize("damage", ["text", "truncated", "empty"])
def test_a_file_that_is_no_image_is_named(damage: str, picture: Image.Image, tmp_path: Path) -> None:
    file = tmp_path / "train/shirt/odd.png"
    file.parent.mkdir(parents=True)
    picture.save(file)
    file.write_bytes({"text": b"no image", "truncated": file.read_bytes()[:2000], "empty": b""}[damage])
    with pytest.raises(PrunemarkError) as caught:
        _images.decode(tmp_path, ["train/shirt/odd.png"], 28, "set.zip")
    assert str(caught.value).startswith("set.zip: train/shirt/odd.png is no readable image (")
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, -3])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(PrunemarkError, match=f"^image_size: {size} is not allowed: at least 1 pixel$"):
        _images.check_size(size)
