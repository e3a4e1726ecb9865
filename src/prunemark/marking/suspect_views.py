"""A suspect as a verifier sees it: its weights, its features behind a service, or a classifier's labels alone."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from prunemark.marking.contract import Query, Suspect
from prunemark.model.encoder import BATCH, Encoder, features


def seen(
    level: str,
    encoder: Encoder,
    classify: Query | None = None,
    batch: int = BATCH,
    precision: torch.dtype | None = None,
) -> Suspect:
    """The encoder itself (``WEIGHTS``), or what answers queries of uint8 images (N, H, W, 3).

    Args:
        level: ``WEIGHTS``; ``FEATURES``: features (N, d), float32; ``LABELS``: classes (N,), int64.
        classify: from features (N, d) to classes (N,), the downstream head; needed for ``LABELS`` alone.
        batch: images at once; moves the last bits of the features.
        precision: of the forward pass, where it is not float32.
    """
    if level == "WEIGHTS":
        return encoder
    ask = service(encoder, batch, precision)
    if level == "FEATURES":
        return ask
    if classify is None:
        raise ValueError("labels need a classifier")
    return labels(ask, classify)


def service(encoder: Encoder, batch: int = BATCH, precision: torch.dtype | None = None) -> Query:
    """What answers with features."""

    def ask(images: Tensor) -> Tensor:
        with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
            return features(encoder, images, batch).float()

    return ask


def labels(ask: Query, classify: Query) -> Query:
    """What answers with classes, from what answers with features and a head."""
    return lambda images: classify(ask(images))


def remembered(ask: Query) -> Query:
    """The same answers, each given once: several heads are asked about the same images."""
    known: dict[bytes, Tensor] = {}

    def answer(images: Tensor) -> Tensor:
        digest = hashlib.sha256(repr(images.shape).encode() + images.numpy().tobytes()).digest()
        if digest not in known:
            known[digest] = ask(images)
        return known[digest]

    return answer
