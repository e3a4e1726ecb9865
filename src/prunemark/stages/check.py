"""Register one passive check on one marked encoder, under all its keys, and freeze its thresholds."""

from __future__ import annotations

import time

import torch
from tqdm import tqdm

from prunemark import registry
from prunemark.disk.files import sha256_file
from prunemark.disk.tensors import read_encoder, read_tensors
from prunemark.formats.journal import Measured
from prunemark.formats.receipt import RECEIPT
from prunemark.formats.written import write
from prunemark.marking.contract import Secret
from prunemark.metrics.head import Head
from prunemark.model.encoder import Encoder
from prunemark.model.randomness import experiment_key, generator
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import CheckRequest
from prunemark.stages.calibration import calibrate
from prunemark.stages.examiner import Examiner, dense_head, material
from prunemark.stages.key_files import Key, KeyFile, describe, write_keys
from prunemark.stages.split_data import read_data
from prunemark.stages.watermark import read_trained


def check(request: CheckRequest) -> None:
    """Register the check ``method`` under experiment keys 0 .. ``keys`` - 1; the marked encoder is left untouched."""
    torch.set_num_threads(request.threads)
    method, marked, seed, out = request.method, request.marked, request.seed, request.out
    recorder = Recorder("check", out, request.parameters(), seed)
    images = read_data(request.data, recorder)
    recorder.reads(*(marked / name for name in (RECEIPT, "encoder.safetensors", "head.safetensors")))
    encoder = read_encoder(marked / "encoder.safetensors")
    unmarked = [read_trained(folder, recorder) for folder in request.null]
    scheme, shown = registry.load("checks", method), material(images)
    examiner = Examiner(scheme, images, request.head_images)
    head = Head(**read_tensors(marked / "head.safetensors")[0])

    def register(victim: Encoder, fitted: Head, purpose: str, key: int) -> Secret:
        held: Secret = scheme.register(
            victim,
            fitted.logits,
            experiment_key(seed, method, purpose, key),
            shown,
            generator(purpose, method, seed, key),
            **request.set,
        )
        return held

    secrets, trials, seconds = [], [], 0.0
    for key in tqdm(range(request.keys), desc=method, unit="key", disable=None, leave=False):
        started = time.perf_counter()
        secret = register(encoder, head, "register", key)
        seconds += time.perf_counter() - started

        def forge(victim: Encoder, key: int = key) -> Secret:
            return register(victim, dense_head(victim, images, request.head_images), "forge", key)

        secrets.append(secret)
        trials.append(calibrate(scheme, method, encoder, secret, unmarked, None, forge, examiner, seed, key))
    held = [Key(secret, trial.threshold) for secret, trial in zip(secrets, trials, strict=True)]
    through = sha256_file(marked / "head.safetensors") if scheme.LEVEL == "LABELS" else ""
    write_keys(out / "secret.safetensors", KeyFile("checks", method, encoder.spec, held, through))
    write(out / "calibration.json", describe("checks", method, trials))
    recorder.measured = Measured(scheme_seconds=seconds / request.keys)
    recorder.wrote("secret.safetensors", "calibration.json")
    recorder.finish()
