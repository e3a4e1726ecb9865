"""Score one cell on one probe dataset: predictions, agreement, features, watermarks, sizes.

``samples.npz`` keeps per-sample predictions and raw statistics, ``scores.json`` the rows made from them
(`prunemark.results.scores`), so that every figure comes out again without the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prunemark.disk.tensors import read_arrays, read_tensors, write_arrays, write_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.calibration import Calibration
from prunemark.formats.receipt import RECEIPT, read_receipt
from prunemark.formats.scores import SCHEMA, Channels, Scores, Sizes
from prunemark.formats.sparsity import Sparsity
from prunemark.formats.written import read, write
from prunemark.marking.contract import Reading, Suspect
from prunemark.marking.suspect_views import labels, remembered, service
from prunemark.metrics import size
from prunemark.metrics.head import Head, fit_head
from prunemark.metrics.knn import knn_predict
from prunemark.metrics.similarity import cka_parts, cosines
from prunemark.model.encoder import features
from prunemark.point import Point
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import EvaluateRequest
from prunemark.results import scores as rows
from prunemark.stages.key_files import read_keys
from prunemark.stages.pruned_encoder import Pruned, read_pruned
from prunemark.stages.split_data import Data, read_data

HEADS = ("frozen", "refit")


def evaluate(request: EvaluateRequest) -> None:
    """Score what ``pruned`` made of the encoder of ``marked``, or the original itself where that is ``None``.

    ``original`` is the scores folder of the original, whose predictions and features the pruned ones are held against,
    through its head. Where ``data`` is not the dataset that the encoder was trained on, the original's head is fitted
    here, and schemes are read that see labels alone: the others do not depend on a downstream task.
    """
    marked, checks, out = request.marked, request.check, request.out
    pruned, original, head_images = request.pruned, request.original, request.head_images
    if (pruned is None) != (original is None):
        raise PrunemarkError("--pruned and --original go together: scores of the original to hold the pruned against")
    if original and read_receipt(original).parameters.get("marked") != marked.as_posix():
        raise PrunemarkError(f"--original: {original} is not allowed: the scores of {marked}, unpruned")
    torch.set_num_threads(request.threads)
    recorder = Recorder("evaluate", out, request.parameters())
    images = read_data(request.data, recorder)
    recorder.reads(marked / "encoder.safetensors", marked / RECEIPT)
    if pruned:
        recorder.reads(pruned / RECEIPT)
        recorder.reads(*map(Path, read_receipt(pruned).outputs))
    cell = read_pruned(marked, pruned)
    encoder = cell.served
    downstream = request.data.name != Point.from_path(marked).dataset

    test = features(encoder, images.images("test"))
    train, labels = images.head_part(head_images)
    train = features(encoder, train)
    refit = fit_head(train, labels, images.classes)
    heads = {"frozen": frozen_head(marked, original, downstream, refit, recorder), "refit": refit}
    samples = predictions(heads, train, test, images, head_images)
    samples |= readings(cell, heads, marked, checks, downstream, recorder)
    if original:
        recorder.reads(*(original / name for name in ("features.safetensors", "samples.npz", RECEIPT)))
        before = read_tensors(original / "features.safetensors")[0]["features"]
        samples |= {"cosine": cosines(before, test).numpy(), "cka_parts": np.array(cka_parts(before, test))}
    else:
        write_tensors(out / "features.safetensors", {"features": test})
        write_tensors(out / "head.safetensors", heads["frozen"].tensors())
        recorder.wrote("features.safetensors", "head.safetensors")
    write_arrays(out / "samples.npz", samples)
    sizes = measure_sizes(cell, pruned)
    write(out / "scores.json", score(samples, original, marked, checks, sizes, images.classes))
    recorder.wrote("samples.npz", "scores.json")
    recorder.finish()


def frozen_head(marked: Path, original: Path | None, downstream: bool, refit: Head, recorder: Recorder) -> Head:
    """The head that was fitted on the original: the marked encoder's own or, downstream, that of the probe."""
    if original is None and downstream:
        return refit
    file = (original or marked) / "head.safetensors"
    recorder.reads(file)
    return Head(**read_tensors(file)[0])


def predictions(heads: dict[str, Head], train: Tensor, test: Tensor, images: Data, head_images: int) -> rows.Arrays:
    """Labels and predicted classes (N,) of the test set under every head and kNN, the heads' confidence: the softmax of
    the predicted class (N,); and (2,) how many features the refitted head leaves out, and of how many."""
    _, labels = images.head_part(head_images)
    found: rows.Arrays = {"labels": images.labels("test").numpy().astype(np.int16)}
    for name, head in heads.items():
        logits = head.logits(test)
        found[f"predicted_{name}"] = logits.argmax(dim=1).numpy().astype(np.int16)
        found[f"confidence_{name}"] = logits.double().softmax(dim=1).amax(dim=1).numpy().astype(np.float32)
    found["left_out_refit"] = np.array([heads["refit"].left_out, train.shape[1]])
    voted = knn_predict(train, labels, test, images.classes)
    return {**found, "predicted_knn": voted.numpy().astype(np.int16)}


def readings(
    cell: Pruned, heads: dict[str, Head], marked: Path, checks: list[Path], downstream: bool, recorder: Recorder
) -> rows.Arrays:
    """The raw statistic of the watermark and of every check, one value per key, and their details; where only labels
    are seen, once per head."""
    found: rows.Arrays = {}
    ask = remembered(service(cell.served))
    by_head: dict[str, Suspect] = {head: labels(ask, heads[head].predict) for head in HEADS}
    views: dict[str, dict[str, Suspect]] = {"WEIGHTS": {"": cell.held}, "FEATURES": {"": ask}, "LABELS": by_head}
    for folder in (marked, *checks):
        recorder.reads(folder / "secret.safetensors", folder / "calibration.json", folder / RECEIPT)
        file = read_keys(folder / "secret.safetensors")
        scheme = file.scheme()
        if scheme.KIND != "control" and (scheme.LEVEL == "LABELS" or not downstream):
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
    return Point.from_path(marked).watermark if folder == marked else folder.name


def measure_sizes(cell: Pruned, pruned: Path | None) -> Sizes:
    """Counts of weights, multiply-accumulates and bytes; ``stored_bytes``: what this cell's folder adds to the marked
    encoder's file, which serves all masks."""
    kept, _ = size.nonzeros(cell.served)
    dense, useful = size.macs(cell.served)
    sizes: dict[str, Any] = {"weights": size.nonzeros(cell.marked)[1], "nonzeros": kept, "macs": dense}
    sizes |= {"macs_nonzero": useful, "compression_ratio": size.compression_ratio(cell.marked, cell.served)}
    sizes |= {f"{layout}_bytes": count for layout, count in size.layouts(cell.served).items()}
    if pruned and cell.mask:
        sparsity, outputs = read(pruned / "sparsity.json", Sparsity), read_receipt(pruned).outputs
        sizes |= {"removed": sparsity.removed, "mask_entropy_bytes": sparsity.mask_entropy_bytes}
        sizes["layers"] = {name: (layer.removed, layer.total) for name, layer in sparsity.layers.items()}
        sizes["mask_bytes"] = (pruned / "mask.pmk").stat().st_size
        # Of a smaller encoder the mask is not needed to use it, only to read a mark in weights.
        used = [path for path in map(Path, outputs) if path.name != "sparsity.json"]
        if sparsity.channels:
            sizes["channels"] = Channels(removed=sparsity.channels.removed, total=sparsity.channels.total)
            used.remove(pruned / "mask.pmk")
        sizes["stored_bytes"] = sum(path.stat().st_size for path in used)
    return Sizes.model_validate(sizes)


def score(
    samples: rows.Arrays,
    original: Path | None,
    marked: Path,
    checks: list[Path],
    sizes: Sizes,
    classes: int,
) -> Scores:
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
    return Scores.model_validate({**content, "rows": table})


def size_rows(sizes: Sizes) -> list[rows.Row]:
    units = {
        "nonzeros": "weights",
        "macs": "multiply-accumulates",
        "macs_nonzero": "multiply-accumulates",
        "compression_ratio": "parameters over non-zeros",
    }
    counts = ("weights", "removed", "channels", "layers")
    plain = sorted((name, value) for name, value in sizes.content().items() if name not in counts)
    table = [rows.single(name, units.get(name, "bytes"), value) for name, value in plain]
    removed, total = sizes.removed or 0, sizes.weights
    shares = [rows.single("sparsity", "weights", removed / total, k=removed, n=total)]
    if sizes.channels:
        k, n = sizes.channels.removed, sizes.channels.total
        shares.append(rows.single("channel_sparsity", "removable channels", k / n, k=k, n=n))
    return [*shares, *table]


def check_trials(folder: Path, name: str, head: str, values: np.ndarray) -> rows.CheckTrials:
    calibration = read(folder / "calibration.json", Calibration)
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
