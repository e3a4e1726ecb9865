"""CIFAR-10, 50,000 + 10,000 colour images, 32x32 (Krizhevsky 2009, "Learning Multiple Layers of Features ...").

The binary version of the author's page, since the one for Python is pickled. Its SHA-256 is the one that TensorFlow
Datasets, red-datasets and others list for this archive of 170,052,171 bytes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from prunemark.errors import PrunemarkError
from prunemark.methods.datasets import _archives, _images, _sources

SETTINGS = {"image_size": 32, "path": ""}
LEAST = {"image_size": 8}
CREDIT = "CIFAR-10, A. Krizhevsky, V. Nair, G. Hinton (https://www.cs.toronto.edu/~kriz/cifar.html)"
LICENCE = "no licence stated; the authors ask for a citation of Krizhevsky 2009"

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
PIN = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
ARCHIVE = "cifar-10-binary.tar.gz"
CONTENT = "cifar-10-batches-bin"
BATCHES = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE


def obtain(folder: Path, image_size: int, path: str) -> dict[str, str]:
    """The archive's content into ``folder``: of the local copy at ``path`` if one is named, else of a download."""
    _images.check_size(image_size)
    archive = Path(path) if path else folder / ARCHIVE
    if path:
        _sources.verify(_sources.sha256_file(archive), PIN, path)
    else:
        _sources.from_first(archive, PIN, [(URL, partial(_sources.download, URL))])
    _archives.extract(archive, folder)
    return {ARCHIVE: PIN}


def load(raw: Path, split: str, image_size: int, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, image_size, image_size, 3) and labels int64 (N,) of ``"train"`` or ``"test"``."""
    records = np.concatenate([read_batch(raw / CONTENT / name) for name in BATCHES[split]])
    planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return _images.fit(images, image_size), records[:, 0].astype(np.int64)


def classes(raw: Path, image_size: int, path: str) -> list[str]:
    """The names in the archive's own list, one a line."""
    return (raw / CONTENT / "batches.meta.txt").read_text().split()


def read_batch(path: Path) -> np.ndarray:
    """The records of one file, uint8 (N, 3073): the label, then the red, the green and the blue plane by rows.

    Raises:
        PrunemarkError: no such file, or a size that is no multiple of a record.
    """
    if not path.is_file():
        raise PrunemarkError(f"{ARCHIVE}: has no file {CONTENT}/{path.name}")
    content = np.fromfile(path, np.uint8)
    if not len(content) or len(content) % RECORD:
        raise PrunemarkError(f"{ARCHIVE}: {path.name} has {len(content)} bytes; allowed: multiples of {RECORD}")
    return content.reshape(-1, RECORD)
