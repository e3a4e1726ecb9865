"""Null results and thresholds, all before any pruning: unmarked encoders, wrong keys, intact copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import torch

from prunemark import methods
from prunemark.encoder import Encoder
from prunemark.randomness import experiment_key
from prunemark.stages._secrets import Trials
from prunemark.store import read_encoder, write_encoder
from prunemark.watermark import Nulls, Secret

BENIGN = ((1, 1), (7, 1), (64, 2), (250, 2))


def calibrate(
    scheme: ModuleType, method: str, marked: Encoder, secret: Secret, unmarked: list[Encoder], seed: int
) -> Trials:
    """Measure the nulls of one key and freeze its threshold.

    Wrong keys are derived from ``seed`` and numbered apart from all keys that are ever embedded.
    """
    count = methods.constants("watermarks", method)["WRONG_KEYS"]
    wrong = (experiment_key(seed, method, "wrong", i) for i in range(count))
    nulls = Nulls(
        unmarked=[scheme.statistic(encoder, secret) for encoder in unmarked],
        wrong_keys=sorted(scheme.statistic(marked, scheme.impostor(secret, key)) for key in wrong),
        intact=list(benign(scheme, marked, secret)),
    )
    threshold = scheme.calibrate(nulls, secret)
    return Trials(
        threshold=threshold.value,
        law=threshold.law,
        p_value=threshold.p_value,
        marked=scheme.statistic(marked, secret),
        unmarked=nulls.unmarked,
        wrong_keys=nulls.wrong_keys,
        intact=nulls.intact,
    )


def benign(scheme: ModuleType, marked: Encoder, secret: Secret) -> Iterator[float]:
    """The statistic on resaved and reloaded copies, in several batch sizes and thread counts."""
    copy, threads = resaved(marked), torch.get_num_threads()
    try:
        for batch, count in BENIGN:
            torch.set_num_threads(count)
            yield scheme.statistic(copy, secret, batch=batch)
    finally:
        torch.set_num_threads(threads)


def resaved(encoder: Encoder) -> Encoder:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.safetensors"
        write_encoder(path, encoder)
        return read_encoder(path)
