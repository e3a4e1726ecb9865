"""Mark one encoder under one key, freeze its threshold and its head, before anything is pruned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from prunemark import methods
from prunemark.encoder import Encoder, features
from prunemark.files import write_json
from prunemark.metrics.head import fit_head
from prunemark.randomness import experiment_key, generator
from prunemark.record import RECEIPT, Recorder
from prunemark.stages._calibrate import calibrate
from prunemark.stages._data import read_data
from prunemark.stages._secrets import describe, write_secrets
from prunemark.store import read_encoder, write_encoder, write_tensors


def watermark(
    data: Path,
    encoder: Path,
    nulls: list[Path],
    method: str,
    settings: dict[str, Any],
    key: int,
    seed: int,
    head_images: int,
    threads: int,
    out: Path,
) -> None:
    """Embed the watermark ``method`` under experiment key number ``key`` into the encoder of a data/encoders folder.

    ``nulls`` are folders of independently trained encoders. Leaves the marked encoder, the secret, the calibration
    and the dense head, which is fitted on the marked encoder's features of ``head_images`` training images.

    Raises:
        PrunemarkError: the encoder cannot hold the mark.
    """
    torch.set_num_threads(threads)
    parameters = {
        "data": data.as_posix(),
        "encoder": encoder.as_posix(),
        "null": [folder.as_posix() for folder in nulls],
        "method": method,
        "set": settings,
        "key": key,
        "seed": seed,
        "head-images": head_images,
        "threads": threads,
        "out": out.as_posix(),
    }
    recorder = Recorder("watermark", out, parameters, seed)
    images = read_data(data, recorder)
    clean = read_trained(encoder, recorder)
    unmarked = [read_trained(folder, recorder) for folder in nulls]
    scheme = methods.load("watermarks", method)
    secret_key = experiment_key(seed, method, "embed", key)
    draw = generator("embed", method, seed, key)
    marked, secret = scheme.embed(clean, secret_key, images.images("keypool"), draw, **settings)
    is_control = methods.constants("watermarks", method)["KIND"] == "control"
    trials = [] if is_control else [calibrate(scheme, method, marked, secret, unmarked, seed)]

    shown, labels = images.head_part(head_images)
    head = fit_head(features(marked, shown), labels, images.classes)
    write_encoder(out / "encoder.safetensors", marked)
    write_secrets(out / "secret.safetensors", method, [secret])
    write_tensors(out / "head.safetensors", head.tensors())
    write_json(out / "calibration.json", describe(method, trials).to_dict())
    recorder.wrote("encoder.safetensors", "head.safetensors", "secret.safetensors", "calibration.json")
    recorder.finish()


def read_trained(folder: Path, recorder: Recorder) -> Encoder:
    recorder.reads(folder / RECEIPT, folder / "encoder.safetensors")
    return read_encoder(folder / "encoder.safetensors")
