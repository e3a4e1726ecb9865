"""Reading what was kept; what many cells share is read once per audit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from prunemark.disk.tensors import read_arrays


class KeptFiles:
    """``samples`` of a scores folder and ``encoder`` of a marked folder, as arrays by name; ``labels``: those of the
    test images of a data folder."""

    def __init__(self) -> None:
        self.samples = cache(lambda folder: read_arrays(folder / "samples.npz"))
        self.encoder = cache(lambda folder: load_file(folder / "encoder.safetensors"))
        self.labels = cache(test_labels)


def test_labels(data: Path) -> np.ndarray:
    with safe_open(data / "images.safetensors", framework="numpy") as file:
        found: np.ndarray = file.get_tensor("test_labels")[file.get_tensor("index_test")]
        return found
