"""Scaling, cropping and decoding, against torchvision and Pillow."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunemark._torchvision import torchvision
from prunemark.datasets import _images
from prunemark.datasets.fashion_mnist_mini import EMBEDDED
from prunemark.errors import PrunemarkError
from prunemark.store import read_arrays


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
