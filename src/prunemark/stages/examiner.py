"""Encoders as a scheme may see them: with a head fitted on each where only labels are seen."""

from __future__ import annotations

from types import ModuleType
from weakref import WeakKeyDictionary

import torch

from prunemark.marking.contract import Images, Suspect
from prunemark.marking.suspect_views import seen
from prunemark.metrics.head import Head, fit_head
from prunemark.model.encoder import BATCH, Encoder, features
from prunemark.stages.split_data import Data


class Examiner:
    """Shows encoders at the access level of one scheme. Heads are fitted once per encoder, on training images."""

    def __init__(self, scheme: ModuleType, images: Data, head_images: int) -> None:
        self.level: str = scheme.LEVEL
        self.images, self.head_images = images, head_images
        self.heads: WeakKeyDictionary[Encoder, Head] = WeakKeyDictionary()

    def view(self, encoder: Encoder, batch: int = BATCH, precision: torch.dtype | None = None) -> Suspect:
        classify = self.head(encoder).predict if self.level == "LABELS" else None
        return seen(self.level, encoder, classify, batch, precision)

    def alias(self, copy: Encoder, of: Encoder) -> Encoder:
        """``copy``, which holds the same weights, with the head of ``of``."""
        if self.level == "LABELS":
            self.heads[copy] = self.head(of)
        return copy

    def head(self, encoder: Encoder) -> Head:
        if encoder not in self.heads:
            self.heads[encoder] = dense_head(encoder, self.images, self.head_images)
        return self.heads[encoder]


def dense_head(encoder: Encoder, images: Data, head_images: int) -> Head:
    """The head of an encoder, fitted on its features of ``head_images`` training images."""
    shown, labels = images.head_part(head_images)
    return fit_head(features(encoder, shown), labels, images.classes)


def material(images: Data) -> Images:
    """What schemes may embed with and draw keys from."""
    return Images(images.images("train"), images.images("keypool"))
