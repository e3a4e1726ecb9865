"""What the contract asks, of every name in the folder."""

import hashlib
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunemark import registry
from prunemark.disk.tensors import read_arrays
from prunemark.methods.datasets import fashion_mnist

NAMES = registry.names("datasets")


def no_settings(folder: Path) -> dict[str, str]:
    return {}


def some_clothes(folder: Path) -> dict[str, str]:
    arrays = read_arrays(registry.FOLDER / "datasets/fashion-mnist-mini.npz")
    for split in ("train", "test"):
        for label, image in zip(arrays[f"{split}_labels"][:40], arrays[f"{split}_images"][:40], strict=True):
            name = folder / "clothes" / split / str(label)
            name.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(name / f"{hashlib.sha256(image).hexdigest()}.png")
    return {"path": shutil.make_archive(str(folder / "clothes"), "tar", folder, "clothes")}


# How to come by the bytes here, without a network. What is downloaded has a file of tests of its own, which serves it.
OFFLINE: dict[str, Callable[[Path], dict[str, str]]] = {"fashion-mnist-mini": no_settings, "folder": some_clothes}
if fashion_mnist.DEBIAN.is_dir():
    OFFLINE["fashion-mnist"] = no_settings


def test_the_names_are_those_of_the_files() -> None:
    assert {"cifar10", "fashion-mnist", "fashion-mnist-mini", "folder"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_literals_and_functions_take_the_settings(name: str) -> None:
    constants = registry.constants("datasets", name)
    settings = constants["SETTINGS"]
    assert isinstance(settings["image_size"], int)
    assert constants["CREDIT"]
    assert constants["LICENCE"]
    module = registry.load("datasets", name)
    for function, leading in (("obtain", ["folder"]), ("load", ["raw", "split"]), ("classes", ["raw"])):
        parameters = list(inspect.signature(getattr(module, function)).parameters)
        assert parameters[: len(leading)] == leading
        assert set(parameters[len(leading) :]) == set(settings)


# Of the 70,000 only the excerpt's are resized here.
CASES = [(name, size) for name in OFFLINE for size in ((28,) if name == "fashion-mnist" else (28, 20))]


def test_what_is_downloaded_has_tests_of_its_own() -> None:
    for name in set(NAMES) - set(OFFLINE):
        assert Path(__file__).with_name(f"test_{name.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize(("name", "image_size"), CASES)
def test_images_labels_and_classes_fit_together(name: str, image_size: int, tmp_path: Path) -> None:
    settings = registry.complete("datasets", name, {"image_size": image_size, **OFFLINE[name](tmp_path)})
    (tmp_path / "raw").mkdir()
    module = registry.load("datasets", name)
    sources = module.obtain(tmp_path / "raw", **settings)
    assert sources
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in sources.values())
    classes = module.classes(tmp_path / "raw", **settings)
    assert len(set(classes)) == len(classes) > 1
    for split in ("train", "test"):
        images, labels = module.load(tmp_path / "raw", split, **settings)
        assert images.dtype == np.uint8
        assert images.shape == (len(labels), image_size, image_size, 3)
        assert labels.dtype == np.int64
        assert set(labels.tolist()) == set(range(len(classes)))
