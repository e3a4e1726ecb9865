"""fetch: images of a named source become arrays, with labels, class names and split indices; pinned, hashed, receipted.

The folder holds ``images.safetensors`` (``train_images`` and ``test_images``, uint8 (N, H, W, 3); ``train_labels`` and
``test_labels``, int64 (N,); ``index_train``, ``index_heldout``, ``index_keypool``, positions in the training images,
and ``index_test``, all test images; int64), ``dataset.json`` and the receipt.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunemark import registry
from prunemark.disk.files import PARTIAL, write_json
from prunemark.disk.tensors import write_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import RECEIPT
from prunemark.model import randomness
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import FetchRequest

IMAGES = "images.safetensors"
DESCRIPTION = "dataset.json"
CHUNK = 1000


def fetch(request: FetchRequest) -> None:
    """Fetch a dataset into the folder ``out``.

    ``dataset`` is the user's name for it; it seeds the draw of the splits. ``method`` is the module of
    `prunemark.methods.datasets` that obtains it; ``heldout`` and ``keypool`` are numbers of training images set aside
    for calibration and heads, and for keys.

    Raises:
        PrunemarkError: an unknown method or setting, a source that is missing, damaged or not the pinned one, or splits
            too large. ``out`` then holds no output, and does not exist if it held nothing else.
    """
    request = replace(request, set=registry.complete("datasets", request.method, request.set))
    out, existed = request.out, request.out.exists()
    try:
        tensors, description, sources = build(request)
        recorder = Recorder("fetch", out, request.parameters())
        for source, sha256 in sources.items():
            recorder.reads_as(source, sha256)
        write_tensors(out / IMAGES, tensors)
        write_json(out / DESCRIPTION, description)
        recorder.wrote(IMAGES, DESCRIPTION)
        recorder.finish()
    except BaseException:
        clear(out, existed)
        raise


def build(request: FetchRequest) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, str]]:
    """The tensors, the description and the sources' hashes of a dataset; the raw bytes are removed again."""
    module, settings = registry.load("datasets", request.method), request.set
    with tempfile.TemporaryDirectory(prefix="prunemark-fetch-") as folder:
        raw = Path(folder)
        sources = module.obtain(raw, **settings)
        classes = module.classes(raw, **settings)
        arrays = {split: module.load(raw, split, **settings) for split in ("train", "test")}
    (train_images, train_labels), (test_images, test_labels) = arrays["train"], arrays["test"]
    draws = randomness.generator("splits", request.dataset)
    splits = draw_splits(torch.from_numpy(train_labels), request.heldout, request.keypool, draws)
    splits["test"] = torch.arange(len(test_labels))
    mean, std = channel_statistics(train_images, splits["train"].numpy())
    description = {
        "name": request.dataset,
        "method": request.method,
        "settings": settings,
        "classes": classes,
        "image_size": train_images.shape[1],
        "counts": {name: len(index) for name, index in splits.items()},
        "credit": module.CREDIT,
        "licence": module.LICENCE,
        "mean": mean,
        "std": std,
        "splits_sha256": {name: index_hash(index) for name, index in splits.items()},
    }
    tensors = {
        "train_images": torch.from_numpy(train_images),
        "train_labels": torch.from_numpy(train_labels),
        "test_images": torch.from_numpy(test_images),
        "test_labels": torch.from_numpy(test_labels),
        **{f"index_{name}": index for name, index in splits.items()},
    }
    return tensors, description, sources


def draw_splits(labels: Tensor, heldout: int, keypool: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Deal the positions of ``labels`` (N,) out to ``heldout``, ``keypool`` and ``train``, each int64.

    Positions are dealt in rounds of one random image of each class, so every part, and every beginning of a part, is as
    balanced over the classes as their sizes allow. One image of each class always stays in ``train``.

    Raises:
        PrunemarkError: a negative number, or more than that leaves.
    """
    most = len(labels) - len(labels.unique())
    if heldout < 0 or keypool < 0 or heldout + keypool > most:
        raise PrunemarkError(
            f"heldout {heldout} and keypool {keypool} of {len(labels)} training images are not allowed: "
            f"neither below 0, together at most {most}, so that each class keeps one image to train on"
        )
    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    counts = labels.bincount()
    starts = counts.cumsum(0) - counts
    rounds = torch.arange(len(labels)) - starts[labels[by_class]]
    # A class's last image goes to the last round of all.
    rounds[(starts + counts - 1)[counts > 0]] = len(labels)
    dealt = by_class[rounds.argsort(stable=True)]
    held, pool, train = dealt.tensor_split((heldout, heldout + keypool))
    return {"train": train, "heldout": held, "keypool": pool}


def channel_statistics(images: np.ndarray, index: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over the images at ``index``, scaled to [0, 1], to 6 decimals.

    From counts of the 256 values in whole numbers, so that no order of summation enters.
    """
    counts = np.zeros((3, 256), np.int64)
    for start in range(0, len(index), CHUNK):
        part = images[index[start : start + CHUNK]]
        counts += [np.bincount(part[..., channel].ravel(), minlength=256) for channel in range(3)]
    mean, std = [], []
    for count in counts.tolist():
        n = sum(count)
        total = sum(value * times for value, times in enumerate(count))
        squares = sum(value * value * times for value, times in enumerate(count))
        mean.append(round(total / (255 * n), 6))
        std.append(round(math.sqrt(n * squares - total * total) / (255 * n), 6))
    return mean, std


def index_hash(index: Tensor) -> str:
    """SHA-256 over an index as little-endian int64."""
    return hashlib.sha256(index.numpy().astype("<i8").tobytes()).hexdigest()


def clear(out: Path, existed: bool) -> None:
    """Remove what `fetch` writes into ``out``, and ``out`` itself if it was not there before."""
    for name in (IMAGES, DESCRIPTION, RECEIPT):
        (out / name).unlink(missing_ok=True)
        (out / (name + PARTIAL)).unlink(missing_ok=True)
    if out.is_dir() and not existed and not any(out.iterdir()):
        out.rmdir()
