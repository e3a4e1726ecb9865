"""Register one passive check on one marked encoder, under all its keys, and freeze its thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from prunemark import methods
from prunemark.files import write_json
from prunemark.randomness import experiment_key, generator
from prunemark.record import RECEIPT, Recorder
from prunemark.stages._calibrate import calibrate
from prunemark.stages._data import read_data
from prunemark.stages._secrets import describe, write_secrets
from prunemark.stages.watermark import read_trained
from prunemark.store import read_encoder


def check(
    data: Path,
    marked: Path,
    nulls: list[Path],
    method: str,
    settings: dict[str, Any],
    keys: int,
    seed: int,
    threads: int,
    out: Path,
) -> None:
    """Register the check ``method`` under experiment keys 0 .. ``keys`` - 1; the marked encoder is left untouched."""
    torch.set_num_threads(threads)
    parameters = {
        "data": data.as_posix(),
        "marked": marked.as_posix(),
        "null": [folder.as_posix() for folder in nulls],
        "method": method,
        "set": settings,
        "keys": keys,
        "seed": seed,
        "threads": threads,
        "out": out.as_posix(),
    }
    recorder = Recorder("check", out, parameters, seed)
    pool = read_data(data, recorder).images("keypool")
    recorder.reads(marked / RECEIPT, marked / "encoder.safetensors")
    encoder = read_encoder(marked / "encoder.safetensors")
    unmarked = [read_trained(folder, recorder) for folder in nulls]
    scheme = methods.load("watermarks", method)
    secrets, trials = [], []
    for key in range(keys):
        secret_key = experiment_key(seed, method, "register", key)
        _, secret = scheme.embed(encoder, secret_key, pool, generator("register", method, seed, key), **settings)
        secrets.append(secret)
        trials.append(calibrate(scheme, method, encoder, secret, unmarked, seed))
    write_secrets(out / "secret.safetensors", method, secrets)
    write_json(out / "calibration.json", describe(method, trials).to_dict())
    recorder.wrote("secret.safetensors", "calibration.json")
    recorder.finish()
