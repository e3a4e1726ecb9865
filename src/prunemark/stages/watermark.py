"""Mark one encoder under one key, freeze its threshold and its head, before anything is pruned."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from prunemark import registry
from prunemark.disk.tensors import read_encoder, write_encoder, write_tensors
from prunemark.formats.calibration import Trials
from prunemark.formats.journal import Measured
from prunemark.formats.receipt import RECEIPT
from prunemark.formats.written import write
from prunemark.marking.contract import Secret
from prunemark.model.encoder import Encoder
from prunemark.model.randomness import experiment_key, generator
from prunemark.receipts.recorder import Recorder
from prunemark.requests.stage_requests import WatermarkRequest
from prunemark.stages.calibration import calibrate
from prunemark.stages.examiner import Examiner, dense_head, material
from prunemark.stages.key_files import Key, KeyFile, describe, write_keys
from prunemark.stages.split_data import read_data


def watermark(request: WatermarkRequest) -> None:
    """Embed the watermark ``method`` under experiment key number ``key`` into the encoder of a data/encoders folder.

    ``null`` are folders of independently trained encoders. Leaves the marked encoder, the secret, the calibration
    and the dense head, which is fitted on the marked encoder's features of ``head_images`` training images.

    Raises:
        PrunemarkError: the encoder cannot hold the mark.
    """
    torch.set_num_threads(request.threads)
    method, key, seed, out = request.method, request.key, request.seed, request.out
    recorder = Recorder("watermark", out, request.parameters(), seed)
    images = read_data(request.data, recorder)
    clean = read_trained(request.encoder, recorder)
    unmarked = [read_trained(folder, recorder) for folder in request.null]
    scheme = registry.load("watermarks", method)
    shown, secret_key = material(images), experiment_key(seed, method, "embed", key)
    started = time.perf_counter()
    marked, secret = scheme.embed(clean, secret_key, shown, generator("embed", method, seed, key), **request.set)
    recorder.measured = Measured(scheme_seconds=time.perf_counter() - started)
    trials: list[Trials] = []
    if scheme.KIND != "control":

        def forge(victim: Encoder) -> Secret:
            forger = experiment_key(seed, method, "forge", key)
            held: Secret = scheme.forge(victim, forger, shown, generator("forge", method, seed, key), **request.set)
            return held

        examiner = Examiner(scheme, images, request.head_images)
        trials = [calibrate(scheme, method, marked, secret, unmarked, clean, forge, examiner, seed, index=0)]

    write_encoder(out / "encoder.safetensors", marked)
    keys = [Key(secret, trial.threshold) for trial in trials]
    write_keys(out / "secret.safetensors", KeyFile("watermarks", method, marked.spec, keys))
    write_tensors(out / "head.safetensors", dense_head(marked, images, request.head_images).tensors())
    write(out / "calibration.json", describe("watermarks", method, trials))
    recorder.wrote("encoder.safetensors", "head.safetensors", "secret.safetensors", "calibration.json")
    recorder.finish()


def read_trained(folder: Path, recorder: Recorder) -> Encoder:
    recorder.reads(folder / RECEIPT, folder / "encoder.safetensors")
    return read_encoder(folder / "encoder.safetensors")
