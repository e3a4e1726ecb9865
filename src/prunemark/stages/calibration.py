"""Null results and thresholds, all before any pruning: unmarked encoders, wrong keys, intact copies, a forger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import torch

from prunemark.disk.tensors import read_encoder, write_encoder
from prunemark.formats.calibration import Trials
from prunemark.marking.contract import Nulls, Secret
from prunemark.model.encoder import Encoder
from prunemark.model.randomness import experiment_key
from prunemark.stages.examiner import Examiner

# Batch size and threads. On the encoder, a resaved copy and a copy of that: 30 evaluations without an alarm. Threads
# that wait for a busy core spin, so more than one are tried where they are called seldom.
BENIGN = (*((batch, 1) for batch in (1, 2, 3, 7, 16, 32, 50, 64, 250)), (250, 2))
# A robust statistic has room for such differences by design, and a dear one is asked often enough.
BENIGN_ROBUST = ((7, 1), (250, 2))

Forge = Callable[[Encoder], Secret]


def calibrate(
    scheme: ModuleType,
    method: str,
    marked: Encoder,
    secret: Secret,
    unmarked: list[Encoder],
    twin: Encoder | None,
    forge: Forge,
    examiner: Examiner,
    seed: int,
    index: int,
) -> Trials:
    """Measure the nulls of key number ``index`` and freeze its threshold.

    ``twin`` is the encoder before an active scheme changed it. Wrong keys are derived from ``seed`` and numbered apart
    from all keys that are ever embedded. Robust schemes are tried by a forger, too: ``forge`` fits a secret to an
    unmarked encoder. Once per scheme, for the first key, features are also asked for in bfloat16.
    """

    def statistic(encoder: Encoder, held: Secret) -> float:
        return float(scheme.measure(examiner.view(encoder), held).statistic)

    wrong = (experiment_key(seed, method, "wrong", i) for i in range(scheme.WRONG_KEYS))
    view = examiner.view(marked)
    independent = [statistic(encoder, secret) for encoder in unmarked]
    before = None if twin is None else statistic(twin, secret)
    nulls = Nulls(
        unmarked=independent if before is None else [*independent, before],
        wrong_keys=sorted(float(scheme.measure(view, scheme.impostor(secret, key)).statistic) for key in wrong),
        intact=list(benign(scheme, marked, secret, examiner)),
    )
    threshold = scheme.calibrate(nulls, secret)
    robust, queried = scheme.KIND == "robust", scheme.LEVEL != "WEIGHTS"
    victim = next((encoder for encoder in (*unmarked, twin) if encoder is not None), None)
    return Trials(
        threshold=threshold.value,
        law=threshold.law,
        p_value=threshold.p_value,
        marked=statistic(marked, secret),
        unmarked=independent,
        twin=before,
        wrong_keys=sorted(Counter(nulls.wrong_keys).items()),
        intact=nulls.intact,
        bfloat16=bfloat16(scheme, marked, secret, examiner) if queried and index == 0 else None,
        forged=statistic(victim, forge(victim)) if robust and index == 0 and victim is not None else None,
    )


def benign(scheme: ModuleType, marked: Encoder, secret: Secret, examiner: Examiner) -> Iterator[float]:
    """The statistic on the encoder and on resaved, reloaded copies, in several batch sizes and thread counts."""
    first = examiner.alias(resaved(marked), marked)
    copies, threads = (marked, first, examiner.alias(resaved(first), marked)), torch.get_num_threads()
    ways = BENIGN_ROBUST if scheme.KIND == "robust" else BENIGN
    try:
        for encoder, (batch, count) in product(copies, ways):
            torch.set_num_threads(count)
            yield float(scheme.measure(examiner.view(encoder, batch), secret).statistic)
    finally:
        torch.set_num_threads(threads)


def bfloat16(scheme: ModuleType, marked: Encoder, secret: Secret, examiner: Examiner) -> float:
    """The statistic where the intact encoder answers in bfloat16: another function, so not among the benign ones."""
    return float(scheme.measure(examiner.view(marked, precision=torch.bfloat16), secret).statistic)


def resaved(encoder: Encoder) -> Encoder:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.safetensors"
        write_encoder(path, encoder)
        return read_encoder(path)
