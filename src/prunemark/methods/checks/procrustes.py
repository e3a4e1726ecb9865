"""Procrustes similarity: a robust check without training, after Zhang et al. 2025 (https://arxiv.org/abs/2510.16706).

They fingerprint encoders behind a service by aligning two clouds of embeddings, so that rotating, scaling or shifting
what a stolen copy answers hides nothing. Known from its abstract; what is here is a baseline of our own. The key draws
images from the key pool and the registered features A (n, d) of the owner's encoder are kept. With A and the suspect's
B both centred and divided by their Frobenius norm, the statistic is

    1 - min over orthogonal R and scales c of ||A - c B R||_F^2 = (sum of the singular values of A^T B)^2,

so 1 where a suspect answers the same up to rotation, reflection, scale and shift. The features of a narrower cloud are
padded by zeros. The threshold lies above independently trained encoders and above wrong keys.

Deviations: orthogonal alignment in place of whatever alignment they chose, and a measured threshold in place of theirs.
A wrong key does not draw other images, which would register the encoder anew and fit just as well; it permutes the
registered rows, so that the clouds are the same and their points do not belong together. Whoever can ask the encoder
can register it, so this check shows that two encoders are kin and not which of them came first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.keys import stream
from prunemark.marking.thresholds import above_all
from prunemark.methods.checks._keyed import key_images
from prunemark.model.encoder import Encoder, features

KIND = "robust"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"queries": 100}
LEAST = {"queries": 3}

ROUNDING = 1e-6


def register(
    encoder: Encoder, logits: Query, key: bytes, images: Images, generator: torch.Generator, *, queries: int
) -> Secret:
    """The features of ``encoder`` on ``queries`` images of the key pool, drawn by the key.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the images.
        logits, generator: not used.
        queries: number n of images.

    Raises:
        PrunemarkError: fewer than ``queries`` images, or features that are all equal or not finite.
    """
    chosen = key_images(images.keypool, key, "procrustes", queries)
    registered = features(encoder, chosen)
    if shape_of(registered) is None:
        raise PrunemarkError("procrustes: features of all images are equal or not finite; allowed: neither")
    return Secret({"images": chosen, "features": registered}, {"key": key.hex()})


def shape_of(cloud: Tensor) -> Tensor | None:
    """The cloud (n, d) centred and of Frobenius norm 1, float64; ``None`` where its points are not finite, or equal up
    to what float32 can tell."""
    values = cloud.double()
    centred = values - values.mean(dim=0)
    norm = float(centred.norm())
    return centred / norm if ROUNDING * float(values.norm()) < norm < float("inf") else None


def similarity(a: Tensor, b: Tensor) -> float:
    """One minus the Procrustes disparity of clouds (n, d) and (n, e), in [0, 1]; 0 where there is none."""
    shapes = shape_of(a), shape_of(b)
    if shapes[0] is None or shapes[1] is None or len(a) != len(b):
        return 0.0
    # Zeros beside the narrower cloud would only add singular values of zero.
    product = shapes[0].T @ shapes[1]
    return min(1.0, float(torch.linalg.svdvals(product).sum()) ** 2) if bool(product.isfinite().all()) else 0.0


def impostor(secret: Secret, key: bytes) -> Secret:
    """The registered features in an order of another key: the same cloud, whose points belong to other images."""
    registered = secret.tensors["features"]
    order = torch.randperm(len(registered), generator=stream(key, "procrustes", "order"))
    return Secret({**secret.tensors, "features": registered[order]}, {"key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The Procrustes similarity between the suspect's and the registered features."""
    found = similarity(secret.tensors["features"], suspect(secret.tensors["images"]))
    return Reading(found, details={"disparity": 1 - found})


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """Above every unmarked encoder and every wrong key."""
    return above_all(nulls)
