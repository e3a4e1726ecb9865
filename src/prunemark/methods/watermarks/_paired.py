"""The paired test of trigger marks seen through labels: a true trigger against random ones on the same images.

Any patch changes some labels, and some patches change many. So every verification image is asked for under the true
trigger and under `RANDOM` frozen triggers of the same kind, and the true one is held against the STRONGEST of those: of
the images on which exactly one of the two succeeds, the number on which it is the true one follows Bin(n, 1/2) at most,
where the true trigger is no stronger. An encoder that has collapsed to one class has no such images, and p is 1.

The law speaks of the images, given the triggers. Where the true trigger is exchangeable with the random ones, it is the
strongest of all with probability 1 / (`RANDOM` + 1), and only then can p be small.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prunemark.marking.contract import Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.thresholds import above_all, at_least

RANDOM = 8
VERIFIED = 150
LEVEL_P = 1e-3
CAP = 300.0


def ask(suspect: Query, queries: list[Tensor]) -> list[Tensor]:
    """The classes (N,) of every set of uint8 images (N, H, W, 3)."""
    return [suspect(query).cpu() for query in queries]


def sign_test(hits: Tensor, random: Tensor) -> Reading:
    """The reading of successes on N images, bool (N,), of the true trigger and (R, N) of random ones.

    ``statistic`` is -log10 of the p-value; of ``details``, WACC is the share of successes of the true trigger,
    WACC_random the mean of the random ones and WACC_strongest their maximum.
    """
    strongest = random[int(random.sum(dim=1).argmax())]
    wins, losses = int((hits & ~strongest).sum()), int((strongest & ~hits).sum())
    p_value = at_least(wins, wins + losses)
    shares = {"WACC": hits, "WACC_random": random, "WACC_strongest": strongest}
    details = {name: float(found.double().mean()) for name, found in shares.items()}
    return Reading(statistic(p_value), p_value, details=details)


def statistic(p_value: float) -> float:
    """-log10(p), from 0 to `CAP`."""
    return CAP if p_value <= 0 else min(CAP, -math.log10(p_value) + 0.0)


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """p <= 1e-3 over images, the level frozen before anything was measured, and above every null, where the strongest
    is beyond it. What is claimed is the law of the triggers: a null is the strongest of 9 once in 9."""
    law = f"p <= {LEVEL_P:g} over images; over triggers, the strongest of {RANDOM + 1}"
    level = Threshold(-math.log10(LEVEL_P), law, 1 / (RANDOM + 1))
    values = [*nulls.unmarked, *nulls.wrong_keys]
    return above_all(nulls) if max(values, default=0.0) >= level.value else level


def flips(labels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Where labels differ from the clean ones: bool (N,) under the true trigger, (R, N) under the random ones, from
    labels (N,) of the clean images, of those under the true trigger, and of those under each random one."""
    clean, true, *random = labels
    return true != clean, torch.stack([found != clean for found in random])
