"""A tenth of Fashion-MNIST inside the package, so that everything runs without a network.

500 training and 100 test images of each class, evenly spaced among the images of that class, in the order of the full
set. Greyscale, 28x28 (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from prunemark.disk.tensors import read_arrays
from prunemark.methods.datasets import _images, _sources
from prunemark.methods.datasets._fashion import CLASSES

SETTINGS = {"image_size": 28}
LEAST = {"image_size": 8}
CREDIT = "Fashion-MNIST, (c) 2017 Zalando SE (Xiao, Rasul, Vollgraf; https://github.com/zalandoresearch/fashion-mnist)"
LICENCE = "MIT"

EMBEDDED = Path(__file__).with_name("fashion-mnist-mini.npz")
PIN = "4e312f57462cf0f9f0ef603394c41a7d07faf264a732b7479e3973c30d5daa35"


def obtain(folder: Path, image_size: int) -> dict[str, str]:
    """The package's ``fashion-mnist-mini.npz`` into ``folder``."""
    _images.check_size(image_size)
    _sources.verify(_sources.sha256_file(EMBEDDED), PIN, str(EMBEDDED))
    shutil.copyfile(EMBEDDED, folder / EMBEDDED.name)
    return {EMBEDDED.name: PIN}


def load(raw: Path, split: str, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, image_size, image_size, 3) and labels int64 (N,) of ``"train"`` or ``"test"``."""
    arrays = read_arrays(raw / EMBEDDED.name)
    return _images.fit(arrays[f"{split}_images"], image_size), arrays[f"{split}_labels"].astype(np.int64)


def classes(raw: Path, image_size: int) -> list[str]:
    """The ten kinds of clothes."""
    return list(CLASSES)
