"""What the report shows beside the scores: the receipts behind every cell, curves from raw statistics, images."""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prunemark.disk.files import read_json, sha256_file
from prunemark.disk.tensors import read_arrays, read_tensors
from prunemark.formats.calibration import Calibration
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import RECEIPT, Receipt
from prunemark.formats.written import read
from prunemark.metrics.roc import area, roc
from prunemark.page.supplement import Evidence
from prunemark.point import Point

PICTURES, LARGEST = 12, 64
RAW = Path("data/raw")
DATASET = ("images.safetensors", "dataset.json")


def evidence(folders: list[Path], scored: dict[Point, Path]) -> Evidence:
    """All of it, from the folders that a number comes from, and of these the scores by point."""
    receipts = chains(folders)
    journals = {folder: read(path, Journal) for folder in receipts if (path := journal_path(Path(folder))).is_file()}
    probes = dict.fromkeys(point.probe for point in scored)
    pictures = {probe: found for probe in probes if (found := pictures_of(probe))}
    curves: dict[Point, list[dict[str, Any]]] = {}
    nulls = functools.cache(read_nulls)
    predictions: dict[Point, list[int]] = {}
    for point, folder in scored.items():
        samples = read_arrays(folder / "samples.npz")
        if "predicted_frozen" in samples and point.probe in pictures:
            chosen = [image["index"] for image in pictures[point.probe]["images"]]
            predictions[point] = samples["predicted_frozen"][chosen].tolist()
        curves[point] = cell_curves(point, samples, nulls)
    return Evidence(receipts, journals, curves, pictures, predictions)


def chains(folders: list[Path]) -> dict[str, tuple[Receipt, str]]:
    """The receipts of folders and of all that these were made from, a step after all that it reads."""
    receipts: dict[str, tuple[Receipt, str]] = {}
    seen: set[str] = set()

    def follow(folder: str) -> None:
        path = Path(folder) / RECEIPT
        if folder in seen or not path.is_file():
            return
        seen.add(folder)
        receipt = read(path, Receipt)
        for parent in receipt.parents:
            follow(parent)
        receipts[folder] = (receipt, sha256_file(path))

    for folder in folders:
        follow(folder.as_posix())
    return receipts


def inputs(folders: list[Path], scored: list[Path]) -> list[Path]:
    """The files that `evidence` reads, but for journals."""
    receipts = chains(folders)
    used = {name for folder in scored for name in receipts[folder.as_posix()][0].inputs}
    calibrations = (Path(name) for name in used if name.endswith("/calibration.json"))
    raw = (RAW / probe / name for probe in {folder.name for folder in scored} for name in DATASET)
    samples = (folder / "samples.npz" for folder in scored)
    return sorted({*(Path(folder) / RECEIPT for folder in receipts), *calibrations, *raw, *samples})


def pictures_of(probe: str) -> dict[str, Any]:
    """A few test images, evenly spaced in the order of the split; empty where the dataset is not at hand."""
    if not all((RAW / probe / name).is_file() for name in DATASET):
        return {}
    tensors, _ = read_tensors(RAW / probe / "images.safetensors")
    names = read_json(RAW / probe / "dataset.json")["classes"]
    order = tensors["index_test"].numpy()
    chosen = np.unique(np.linspace(0, len(order) - 1, PICTURES).round().astype(int)).tolist()
    images, labels = tensors["test_images"].numpy()[order], tensors["test_labels"].numpy()[order]
    shown = [{"index": i, "label": int(labels[i]), "data": png(images[i])} for i in chosen]
    return {"classes": names, "images": shown}


def png(image: np.ndarray) -> str:
    """An image uint8 (H, W, 3) as the base64 of a PNG file, made smaller where it is larger than the page needs."""
    from PIL import Image

    out = io.BytesIO()
    grey = (image == image[..., :1]).all()
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))
    picture.thumbnail((LARGEST, LARGEST))
    picture.save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def cell_curves(
    point: Point, samples: dict[str, np.ndarray], nulls_of: Callable[[Path], Nulls | None]
) -> list[dict[str, Any]]:
    """The curve of every scheme in one cell, all of its keys together; of a fragile one where something was altered."""
    marked = Path(point.at("marked").folder)
    found = []
    for name in sorted(samples):
        if name.startswith("statistic/"):
            scheme, head = name.split("/")[1:3]
            path = (marked if scheme == point.watermark else marked / "checks" / scheme) / "calibration.json"
            nulls = nulls_of(path)
            if nulls and (nulls.robust or not point.is_original):
                found.append({"scheme": scheme, "head": head, **nulls.curve(samples[name])})
    return found


@dataclass(frozen=True)
class Nulls:
    """What a statistic is held against: of a robust scheme the values of unmarked encoders and wrong keys, of a fragile
    one those of intact copies; how often each was found, and how many lie beyond the thresholds (K,) frozen per key.
    """

    robust: bool
    values: np.ndarray
    counts: np.ndarray
    thresholds: np.ndarray
    beyond: int

    def curve(self, statistics: np.ndarray) -> dict[str, Any]:
        """Marked encoders ought to lie above the nulls of a robust scheme, altered ones below the intact copies of a
        fragile one."""
        sign = 1 if self.robust else -1
        reached = statistics >= self.thresholds if self.robust else statistics < self.thresholds
        corners = roc(sign * statistics, sign * self.values, self.counts)
        at = [self.beyond, int(reached.sum())]
        return {"robust": self.robust, "corners": corners, "at": at, "area": round(area(corners), 6)}


def read_nulls(path: Path) -> Nulls | None:
    """The nulls of a calibration.json; ``None`` where there are none."""
    calibration = read(path, Calibration)
    robust, trials = calibration.kind == "robust", calibration.trials
    if robust:
        pairs = [(value, 1, trial.threshold) for trial in trials for value in trial.unmarked]
        pairs += [(value, count, trial.threshold) for trial in trials for value, count in trial.wrong_keys]
    else:
        pairs = [(value, 1, trial.threshold) for trial in trials for value in trial.intact]
    if not pairs:
        return None
    values, counts, levels = (np.array(column) for column in zip(*pairs, strict=True))
    beyond = counts[values >= levels].sum() if robust else counts[values < levels].sum()
    return Nulls(robust, values, counts, np.array([trial.threshold for trial in trials]), int(beyond))
