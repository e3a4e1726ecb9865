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
    votes as a whole.

    Features of an encoder that collapsed differ in their last digits alone, so that cosines of them are rounding, in
    double precision too. They are had from distances in double precision, s = 1 - |u - v|^2 / 2 of rows u and v of
    length 1, after the mean of the bank's is taken from all of them, which moves no distance.
    """
    rows = F.normalize(bank.double(), dim=1)
    centre = rows.mean(dim=0)
    rows = rows - centre
    lengths = rows.square().sum(dim=1)
    predictions = []
    for part in queries.split(CHUNK):
        moved = F.normalize(part.double(), dim=1) - centre
        squares = moved.square().sum(dim=1, keepdim=True) + lengths - 2 * (moved @ rows.T)
        nearest, neighbours = squares.topk(min(K, len(rows)), dim=1, largest=False)
        weights = ((1 - nearest / 2) / TEMPERATURE).exp()
        votes = weights.new_zeros(len(part), classes).scatter_add_(1, labels[neighbours], weights)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions)
