"""Score a control that no training made: the untrained initialisation of an encoder, or the raw pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prunemark.disk.tensors import read_encoder, write_arrays
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import RECEIPT, read_receipt
from prunemark.formats.scores import SCHEMA, Scores
from prunemark.formats.written import write
from prunemark.metrics.head import fit_head
from prunemark.metrics.knn import knn_predict
from prunemark.model.encoder import features
from prunemark.model.training import initialise
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import ControlRequest
from prunemark.results import scores as rows
from prunemark.stages.split_data import Data, read_data


def control(request: ControlRequest) -> None:
    """Score ``untrained`` (head refitted, and kNN) or ``pixels`` (the same on raw pixels) on the test set of ``data``.

    Raises:
        PrunemarkError: another control.
    """
    torch.set_num_threads(request.threads)
    name, encoder, out = request.control, request.encoder, request.out
    recorder = Recorder("control", out, request.parameters())
    images = read_data(request.data, recorder)
    recorder.reads(encoder / RECEIPT, encoder / "encoder.safetensors")
    representations = {"untrained": untrained, "pixels": pixels}
    if name not in representations:
        raise PrunemarkError(f"control: {name!r} is not allowed: one of {', '.join(representations)}")
    shown, labels = images.head_part(request.head_images)
    train, test = (representations[name](part, images, encoder) for part in (shown, images.images("test")))
    head = fit_head(train, labels, images.classes)
    samples = {
        "labels": images.labels("test").numpy().astype(np.int16),
        "predicted_refit": head.predict(test).numpy().astype(np.int16),
        "left_out_refit": np.array([head.left_out, train.shape[1]]),
        "predicted_knn": knn_predict(train, labels, test, images.classes).numpy().astype(np.int16),
    }
    write_arrays(out / "samples.npz", samples)
    table = rows.accuracy_rows(samples)
    write(out / "scores.json", Scores.model_validate({"schema": SCHEMA, "classes": images.classes, "rows": table}))
    recorder.wrote("samples.npz", "scores.json")
    recorder.finish()


def untrained(shown: Tensor, images: Data, encoder: Path) -> Tensor:
    """Features of the very initialisation that training started from."""
    spec = read_encoder(encoder / "encoder.safetensors").spec
    seed = read_receipt(encoder).seed
    if seed is None:
        raise PrunemarkError(f"{encoder}: its receipt has no seed; allowed: a folder of the stage train")
    return features(initialise(spec, images.mean, images.std, seed), shown)


def pixels(shown: Tensor, images: Data, encoder: Path) -> Tensor:
    """Raw pixels in [0, 1], flattened, (N, H * W * 3)."""
    return shown.flatten(1).float() / 255
