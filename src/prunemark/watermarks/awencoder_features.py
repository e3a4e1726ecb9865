"""AWEncoder, Zhang et al. 2023 (https://arxiv.org/abs/2208.03948): robust, read as features.

Known from its abstract alone, so a RECONSTRUCTION: the embedding is that of `awencoder` (`_awencoder`), and with f' the
suspect, x_k the key image and delta the perturbation the statistic is the discrepancy

    D = mean cos(f'(x + delta), f'(x_k)) - mean cos(f'(x), f'(x_k)).

Deviations, beside all that is unknown: the threshold lies above independent encoders, wrong keys, and also `MARGIN`
above what delta does to the encoder before embedding, which the secret remembers: delta is adversarial to that very
encoder, and only what embedding added is a mark. `forge` tells what a perturbation reaches that was learnt afterwards.
"""

from __future__ import annotations

import math

import torch

from prunemark.access import seen
from prunemark.embedding import cosine
from prunemark.encoder import Encoder
from prunemark.thresholds import above_all
from prunemark.watermark import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.watermarks import _awencoder

KIND = "robust"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"perturb": 100, "steps": 300, "epsilon": 16, "pull": 2.0, "decoys": 0.5}
LEAST = {"perturb": 0, "steps": 0, "epsilon": 1, "pull": 0.0, "decoys": 0.0}

MARGIN = 0.05


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    perturb: int,
    steps: int,
    epsilon: int,
    pull: float,
    decoys: float,
) -> tuple[Encoder, Secret]:
    """As `_awencoder.embed`; the secret also holds D of ``encoder`` as the fact ``before``."""
    given = {"perturb": perturb, "steps": steps, "epsilon": epsilon}
    marked, secret = _awencoder.embed(encoder, key, images, generator, **given, pull=pull, decoys=decoys)
    return marked, remembering(encoder, secret)


def remembering(encoder: Encoder, secret: Secret) -> Secret:
    """``secret`` with D of the unmarked ``encoder``, which `calibrate` needs."""
    suspect = seen(LEVEL, encoder)
    assert not isinstance(suspect, Encoder)
    return Secret(secret.tensors, {**secret.facts, "before": measure(suspect, secret).statistic})


def forge(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    perturb: int,
    steps: int,
    epsilon: int,
    **_: object,
) -> Secret:
    """Stage 1 alone, for as many steps as both stages have: a perturbation for an encoder that was never marked."""
    return _awencoder.perturbed(encoder, key, images, generator, perturb + steps, epsilon)


def impostor(secret: Secret, key: bytes) -> Secret:
    """Another perturbation of the same kind towards another key image."""
    return _awencoder.impostor(secret, key)


def measure(suspect: Query, secret: Secret) -> Reading:
    """D, and its two means; minus infinity where features are no numbers."""
    queries, delta, anchor = (secret.tensors[name] for name in ("queries", "delta", "anchor"))
    target = suspect(anchor[None])[0]
    near = float(cosine(suspect(_awencoder.added(queries, delta)), target).mean())
    far = float(cosine(suspect(queries), target).mean())
    difference = near - far
    if not math.isfinite(difference):
        return Reading(-math.inf)
    return Reading(difference, details={"cos_perturbed": near, "cos_clean": far})


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """Above all nulls and well above the encoder before embedding."""
    measured = above_all(nulls)
    least = secret.facts["before"] + MARGIN
    law = f"{measured.law}, and {MARGIN:g} above the encoder before embedding"
    return Threshold(max(measured.value, least), law, measured.p_value)
