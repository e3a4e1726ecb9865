"""Weighted k-nearest-neighbour classification on features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

K = 20
TEMPERATURE = 0.1
CHUNK = 256


def knn_predict(bank: Tensor, labels: Tensor, queries: Tensor, classes: int) -> Tensor:
    """Predicted classes (Q,) of queries (Q, d) by the weighted vote of their 20 nearest rows of the bank (B, d).

    Cosine similarity s, weight exp(s / 0.1), as in Wu et al. 2018 (https://arxiv.org/abs/1805.01978, section 3.4),
    with k = 20 (theirs: 200) and T = 0.1 (theirs: 0.07). Ties go to the smaller class. A bank of fewer than 20 rows
    votes as a whole. Cosines are in double precision: features of an encoder that collapsed differ in their last digits
    alone, and float32 cosines of them are rounding.
    """
    bank = F.normalize(bank.double(), dim=1)
    predictions = []
    for part in queries.split(CHUNK):
        similarity, neighbours = (F.normalize(part.double(), dim=1) @ bank.T).topk(min(K, len(bank)), dim=1)
        weights = (similarity / TEMPERATURE).exp()
        votes = weights.new_zeros(len(part), classes).scatter_add_(1, labels[neighbours], weights)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions)
