"""A data/raw folder as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from prunemark.disk.files import read_json
from prunemark.disk.tensors import read_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import RECEIPT
from prunemark.receipts.recorder import Recorder

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Data:
    """Images uint8 (N, H, W, 3) and labels int64 (N,) by split; ``mean`` and ``std`` (3) of the train split."""

    tensors: dict[str, Tensor]
    mean: list[float]
    std: list[float]
    class_names: list[str]

    @property
    def size(self) -> int:
        return self.tensors["train_images"].shape[1]

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def images(self, split: str) -> Tensor:
        return self._part(split, "images")

    def labels(self, split: str) -> Tensor:
        return self._part(split, "labels")

    def head_part(self, count: int) -> tuple[Tensor, Tensor]:
        """The first ``count`` training images and labels: what every head and kNN bank is made of.

        Split indices are dealt class by class, so any first part of a split is class-balanced.

        Raises:
            PrunemarkError: more images than the train split has.
        """
        images = self.images("train")
        if count > len(images):
            raise PrunemarkError(f"head_images: {count} is not allowed: at most {len(images)}, the train split's size")
        return images[:count], self.labels("train")[:count]

    def _part(self, split: str, what: str) -> Tensor:
        origin = "test" if split == "test" else "train"
        return self.tensors[f"{origin}_{what}"][self.tensors[f"index_{split}"]]


def read_data(folder: Path, recorder: Recorder) -> Data:
    """Read what `fetch` wrote, and declare it as an input."""
    recorder.reads(folder / "images.safetensors", folder / "dataset.json", folder / RECEIPT)
    tensors, _ = read_tensors(folder / "images.safetensors")
    facts = read_json(folder / "dataset.json")
    return Data(tensors, facts["mean"], facts["std"], facts["classes"])


def resolve_device(device: str) -> str:
    """``auto`` is CUDA where there is one.

    Raises:
        PrunemarkError: another word, or CUDA asked for and not there.
    """
    if device not in DEVICES:
        raise PrunemarkError(f"device: {device!r} is not allowed: {', '.join(DEVICES)}")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise PrunemarkError("device: 'cuda' is not allowed here: PyTorch finds no CUDA device; use auto or cpu")
    return "cuda" if device != "cpu" and available else "cpu"
