"""Fashion-MNIST, 60,000 + 10,000 greyscale images of clothes, 28x28 (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747).

From Debian's package ``dataset-fashion-mnist`` where it is installed, else from torchvision's mirrors. Debian
compresses the files anew, so the pins are of their decompressed contents and hold for both.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import _images, _sources
from prunemark.methods.datasets._fashion import CLASSES
from prunemark.methods.datasets._torchvision import torchvision

SETTINGS = {"image_size": 28}
LEAST = {"image_size": 8}
CREDIT = "Fashion-MNIST, (c) 2017 Zalando SE (Xiao, Rasul, Vollgraf; https://github.com/zalandoresearch/fashion-mnist)"
LICENCE = "MIT"

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PINS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
PREFIX = {"train": "train", "test": "t10k"}
IDX_UINT8 = b"\x00\x00\x08"


def obtain(folder: Path, image_size: int) -> dict[str, str]:
    """The four IDX files, decompressed, into ``folder``."""
    _images.check_size(image_size)
    for name, pin in PINS.items():
        _sources.from_first(folder / name, pin, sources(f"{name}.gz"))
    return dict(PINS)


def load(raw: Path, split: str, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, image_size, image_size, 3) and labels int64 (N,) of ``"train"`` or ``"test"``."""
    images = read_idx(raw / f"{PREFIX[split]}-images-idx3-ubyte")
    labels = read_idx(raw / f"{PREFIX[split]}-labels-idx1-ubyte")
    return _images.fit(images, image_size), labels.astype(np.int64)


def classes(raw: Path, image_size: int) -> list[str]:
    """The ten kinds of clothes."""
    return list(CLASSES)


def sources(packed: str) -> Iterator[_sources.Source]:
    """Debian's copy of a .gz file, then torchvision's mirrors, which are asked for only when it comes to them."""
    yield str(DEBIAN / packed), lambda target: _sources.gunzip(DEBIAN / packed, target)
    for mirror in torchvision().datasets.FashionMNIST.mirrors:
        yield f"{mirror}{packed}", partial(_sources.download_gunzip, f"{mirror}{packed}")


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file of unsigned bytes: magic number, one big-endian uint32 per dimension, the values.

    Raises:
        PrunemarkError: another magic number, or a size that does not fit the dimensions.
    """
    content = path.read_bytes()
    dimensions = content[3] if content.startswith(IDX_UINT8) and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if not dimensions or len(content) < start:
        raise PrunemarkError(f"{path.name}: begins with {content[:4].hex()}; allowed: IDX of unsigned bytes, 000008..")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) != start + np.prod(shape, dtype=int):
        raise PrunemarkError(f"{path.name}: {len(content)} bytes do not hold an array of shape {shape}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
