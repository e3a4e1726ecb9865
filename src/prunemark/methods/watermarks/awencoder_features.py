"""AWEncoder, Zhang et al. 2023 (https://arxiv.org/abs/2208.03948): robust, read as features.

Known from its abstract alone, so a RECONSTRUCTION: the embedding is that of `awencoder` (`_awencoder`), and with f' the
suspect, x_k the key image and delta a perturbation the discrepancy is

    D(delta) = mean cos(f'(x + delta), f'(x_k)) - mean cos(f'(x), f'(x_k)).

Deviations, beside all that is unknown: features are taken from their mean over the clean x, on the same suspect, since
cosines between any two images are far above 0 otherwise and leave D no room. The statistic is D of the true delta minus
the largest D of other perturbations of the same norm and spectrum: where pruning has left few directions, anything
moves features along one of them. The threshold lies `MARGIN` above independent encoders, wrong keys and the encoder
before embedding: delta is adversarial to that very encoder, and only what embedding added is a mark. Few nulls do not
span what delta does to networks of another kind, hence the margin. `forge` tells what a perturbation reaches that was
learnt afterwards.
"""

from __future__ import annotations

import math

from torch import Tensor

from prunemark.marking.contract import Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.mark_trainer import cosine
from prunemark.marking.thresholds import above_all
from prunemark.methods.watermarks import _awencoder

KIND = "robust"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"perturb": 100, "steps": 300, "epsilon": 16, "pull": 3.0, "decoys": 3.0}
LEAST = {"perturb": 0, "steps": 0, "epsilon": 1, "pull": 0.0, "decoys": 0.0}
MOST = {"epsilon": 127}

MARGIN = 0.05
LEAST_DIFFERENCE = -4.0

embed = _awencoder.embed
impostor = _awencoder.impostor
forge = _awencoder.forge


def measure(suspect: Query, secret: Secret) -> Reading:
    """D minus the largest of random perturbations; -4, the least there is, where features are no numbers."""
    queries, delta, random, anchor = (secret.tensors[name] for name in ("queries", "delta", "random", "anchor"))
    clean = suspect(queries)
    middle = clean.mean(dim=0)
    target = suspect(anchor[None])[0] - middle

    def near(answers: Tensor) -> float:
        return float(cosine(answers - middle, target).mean())

    far = near(clean)
    found, *others = (near(suspect(_awencoder.added(queries, each))) - far for each in (delta, *random))
    if not all(math.isfinite(value) for value in (found, *others)):
        return Reading(LEAST_DIFFERENCE)
    strongest = max(others)
    return Reading(found - strongest, details={"D": found, "D_strongest": strongest})


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """`MARGIN` above all nulls."""
    found = above_all(nulls)
    return Threshold(found.value + MARGIN, f"{MARGIN:g} {found.law}", found.p_value)
