"""What only watches training: no result depends on it, so its code is none of the code of training."""

from __future__ import annotations

import torch

from prunemark.metrics.knn import knn_predict
from prunemark.model.encoder import Encoder, features
from prunemark.stages.split_data import Data

BANK = 1000


def heldout_accuracy(encoder: Encoder, images: Data) -> dict[str, float]:
    """kNN accuracy on held-out training images, with the first 1,000 training images as the bank."""
    bank, queries = images.images("train")[:BANK], images.images("heldout")
    found = features(encoder, torch.cat([bank, queries]))
    predicted = knn_predict(found[: len(bank)], images.labels("train")[:BANK], found[len(bank) :], images.classes)
    return {"heldout_knn_accuracy": float((predicted == images.labels("heldout")).float().mean())}
