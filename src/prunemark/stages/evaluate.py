"""Score one cell on one probe dataset: predictions, agreement, features, watermarks, sizes.

``samples.npz`` keeps per-sample predictions and raw statistics, ``scores.json`` the rows made from them
(`prunemark.scores`), so that every figure comes out again without the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunemark import scores as rows
from prunemark.access import labels, remembered, service
from prunemark.encoder import Encoder, features
from prunemark.files import read_json, write_json
from prunemark.metrics import size
from prunemark.metrics.head import Head, fit_head
from prunemark.metrics.knn import knn_predict
from prunemark.metrics.similarity import cka_parts, cosines
from prunemark.record import RECEIPT, Recorder
from prunemark.stages._data import Data, read_data
from prunemark.stages._secrets import read_calibration, read_keys
from prunemark.stages.prune import is_altered, read_pruned
from prunemark.store import read_arrays, read_tensors, write_arrays, write_tensors
from prunemark.watermark import Reading, Suspect

SCHEMA = 1
HEADS = ("frozen", "refit")


def evaluate(
    data: Path,
    marked: Path,
    checks: list[Path],
    pruned: Path | None,
    original: Path | None,
    head_images: int,
    threads: int,
    out: Path,
) -> None:
    """Score what ``pruned`` made of the encoder of ``marked``, or the original itself where that is ``None``.

    ``original`` is the scores folder of the original, whose predictions and features the pruned ones are held against.
    """
    torch.set_num_threads(threads)
    parameters: dict[str, Any] = {
        "data": data.as_posix(),
        "marked": marked.as_posix(),
        "check": [folder.as_posix() for folder in checks],
    }
    if pruned and original:
        parameters |= {"pruned": pruned.as_posix(), "original": original.as_posix()}
    parameters |= {"head-images": head_images, "threads": threads, "out": out.as_posix()}
    recorder = Recorder("evaluate", out, parameters)
    images = read_data(data, recorder)
    recorder.reads(*(marked / name for name in ("encoder.safetensors", "head.safetensors", RECEIPT)))
    if pruned:
        held = ("encoder.safetensors",) if is_altered(pruned) else ("mask.pmk", "sparsity.json")
        recorder.reads(pruned / RECEIPT, *(pruned / name for name in held))
    encoder = read_pruned(marked, pruned)

    head = Head(**read_tensors(marked / "head.safetensors")[0])
    test = features(encoder, images.images("test"))
    heads, train = fit_heads(encoder, images, head, head_images)
    samples = predictions(heads, train, test, images, head_images) | readings(encoder, heads, marked, checks, recorder)
    if original:
        recorder.reads(*(original / name for name in ("features.safetensors", "samples.npz", RECEIPT)))
        before = read_tensors(original / "features.safetensors")[0]["features"]
        samples |= {"cosine": cosines(before, test).numpy(), "cka_parts": np.array(cka_parts(before, test))}
    else:
        write_tensors(out / "features.safetensors", {"features": test})
        recorder.wrote("features.safetensors")
    write_arrays(out / "samples.npz", samples)
    sizes = measure_sizes(encoder, marked, pruned)
    write_json(out / "scores.json", score(samples, original, marked, checks, sizes, images.classes))
    recorder.wrote("samples.npz", "scores.json")
    recorder.finish()


def fit_heads(encoder: Encoder, images: Data, frozen: Head, head_images: int) -> tuple[dict[str, Head], Tensor]:
    """The frozen head and one refitted on the encoder's training features, (N, d), which come with them."""
    shown, labels = images.head_part(head_images)
    train = features(encoder, shown)
    return {"frozen": frozen, "refit": fit_head(train, labels, images.classes)}, train


def predictions(heads: dict[str, Head], train: Tensor, test: Tensor, images: Data, head_images: int) -> rows.Arrays:
    """Labels and predicted classes (N,) of the test set under every head and kNN, and the heads' confidence: the
    softmax of the predicted class (N,)."""
    _, labels = images.head_part(head_images)
    found: rows.Arrays = {"labels": images.labels("test").numpy().astype(np.int16)}
    for name, head in heads.items():
        logits = head.logits(test)
        found[f"predicted_{name}"] = logits.argmax(dim=1).numpy().astype(np.int16)
        found[f"confidence_{name}"] = logits.double().softmax(dim=1).amax(dim=1).numpy().astype(np.float32)
    voted = knn_predict(train, labels, test, images.classes)
    return {**found, "predicted_knn": voted.numpy().astype(np.int16)}


def readings(
    encoder: Encoder, heads: dict[str, Head], marked: Path, checks: list[Path], recorder: Recorder
) -> rows.Arrays:
    """The raw statistic of the watermark and of every check, one value per key, and their details; where only labels
    are seen, once per head."""
    found: rows.Arrays = {}
    ask = remembered(service(encoder))
    by_head: dict[str, Suspect] = {head: labels(ask, heads[head].predict) for head in HEADS}
    views: dict[str, dict[str, Suspect]] = {"WEIGHTS": {"": encoder}, "FEATURES": {"": ask}, "LABELS": by_head}
    for folder in (marked, *checks):
        recorder.reads(folder / "secret.safetensors", folder / "calibration.json", folder / RECEIPT)
        file = read_keys(folder / "secret.safetensors")
        scheme = file.scheme()
        if scheme.KIND != "control":
            for head, view in views[scheme.LEVEL].items():
                read = [scheme.measure(view, key.secret) for key in file.keys]
                found |= as_arrays(f"{scheme_name(folder, marked)}/{head}", read)
    return found


def as_arrays(name: str, read: list[Reading]) -> rows.Arrays:
    """Readings of one scheme, one per key, as named arrays."""
    arrays = {f"statistic/{name}": np.array([reading.statistic for reading in read], dtype=np.float64)}
    if all(reading.p_value is not None for reading in read):
        arrays[f"detail/{name}/p_value"] = np.array([reading.p_value for reading in read], dtype=np.float64)
    for detail in sorted({detail for reading in read for detail in reading.details}):
        values = [reading.details.get(detail, np.nan) for reading in read]
        arrays[f"detail/{name}/{detail}"] = np.array(values, dtype=np.float64)
    return arrays


def scheme_name(folder: Path, marked: Path) -> str:
    """A scheme's name in params.yaml: the folder of a check, or the watermark level of a marked folder."""
    return marked.parent.name if folder == marked else folder.name


def measure_sizes(encoder: Encoder, marked: Path, pruned: Path | None) -> dict[str, int]:
    """Counts of weights and multiply-accumulates, and bytes as stored dense, as mask, and in sparse rows."""
    kept, total = size.nonzeros(encoder)
    dense = (marked / "encoder.safetensors").stat().st_size
    found = {"weights": total, "nonzeros": kept, "macs": size.macs(encoder), "dense_bytes": dense}
    found["sparse_bytes"] = size.sparse_bytes(encoder)
    if pruned and not is_altered(pruned):
        # The masked form needs the dense file once for all rates; this is what one more rate adds.
        found["mask_bytes"] = (pruned / "mask.pmk").stat().st_size
        found["removed"] = read_json(pruned / "sparsity.json")["removed"]
    return found


def score(
    samples: rows.Arrays,
    original: Path | None,
    marked: Path,
    checks: list[Path],
    sizes: dict[str, int],
    classes: int,
) -> dict[str, Any]:
    """The content of ``scores.json``, from the samples and from files without weights."""
    table = rows.accuracy_rows(samples)
    content: dict[str, Any] = {"schema": SCHEMA, "classes": classes, "sizes": sizes}
    if original:
        before = read_arrays(original / "samples.npz")
        table += rows.agreement_rows(samples, before)
        content["agreement_matrix"] = rows.matrix(samples, before, classes)
        content["classes_right"] = rows.classes_right(samples, before, classes)
    for folder in (marked, *checks):
        name = scheme_name(folder, marked)
        for head in ("", *HEADS):
            if f"statistic/{name}/{head}" in samples:
                trials = check_trials(folder, name, head, samples[f"statistic/{name}/{head}"])
                table += rows.check_rows(trials, altered=bool(original))
                table += rows.detail_rows(samples, name, head)
    table += size_rows(sizes)
    return {**content, "rows": table}


def size_rows(sizes: dict[str, int]) -> list[rows.Row]:
    units = {"nonzeros": "weights", "macs": "multiply-accumulates"}
    table = [
        rows.single(name, units.get(name, "bytes"), sizes[name])
        for name in sorted(sizes)
        if name not in ("weights", "removed")
    ]
    removed, total = sizes.get("removed", 0), sizes["weights"]
    return [rows.single("sparsity", "weights", removed / total, k=removed, n=total), *table]


def check_trials(folder: Path, name: str, head: str, values: np.ndarray) -> rows.CheckTrials:
    calibration = read_calibration(folder / "calibration.json")
    trials = calibration.trials
    encoders = len(trials[0].unmarked)
    return rows.CheckTrials(
        name=name,
        kind=calibration.kind,
        head=head,
        statistics=values,
        thresholds=np.array([trial.threshold for trial in trials]),
        null_reached=[any(t.unmarked[i] >= t.threshold for t in trials) for i in range(encoders)],
        twin_reached=[t.twin >= t.threshold for t in trials if t.twin is not None],
        wrong_reached=sum(count for t in trials for value, count in t.wrong_keys if value >= t.threshold),
        wrong=sum(count for t in trials for _, count in t.wrong_keys),
        intact_failed=sum(value < t.threshold for t in trials for value in t.intact),
        intact=sum(len(t.intact) for t in trials),
        bfloat16_reached=[t.bfloat16 >= t.threshold for t in trials if t.bfloat16 is not None],
        forged_reached=[t.forged >= t.threshold for t in trials if t.forged is not None],
        claimed=max((t.p_value for t in trials if t.p_value is not None), default=None),
    )
