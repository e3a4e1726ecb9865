"""Criteria of filters against their papers, filter by filter: sums of |w|, Euclidean norms, distances."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from prunemark.methods.structured.fpgm import distances
from prunemark.model.encoder import Encoder
from prunemark.pruning.channels import Group

Filters = list[list[float]]
Score = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]


def l1_norms(filters: Filters) -> list[float]:
    """Li et al. 2017, section 3.1: the sum of the absolute kernel weights of a filter."""
    found = []
    for values in filters:
        total = 0.0
        for w in values:
            total += abs(w)
        found.append(total)
    return found


def l2_norms(filters: Filters) -> list[float]:
    """He et al. 2018, equation 2 with p = 2: the p-th root of the sum of |w|^p over input channels and kernel."""
    p = 2
    return [sum(abs(w) ** p for w in values) ** (1 / p) for values in filters]


def distance_sums(filters: Filters) -> list[float]:
    """He et al. 2019, equation 6: the sum of the Euclidean distances to every filter of the layer."""
    found = []
    for x in filters:
        total = 0.0
        for other in filters:
            total += math.sqrt(sum((a - b) ** 2 for a, b in zip(x, other, strict=True)))
        found.append(total)
    return found


PAPERS = {"l1-filter": l1_norms, "l2-filter": l2_norms, "fpgm": distance_sums}


@pytest.mark.parametrize("name", PAPERS)
def test_equals_the_paper(name: str, score: Score, new: New, writers: dict[str, tuple[str, ...]]) -> None:
    """Channels that several convolutions write have the mean; each group is relative to its mean."""
    encoder, found = new("resnet18", 4, 16)
    scores = score(name, encoder, found, None)
    assert scores.keys() == writers.keys()
    for first, names in writers.items():
        layers = [encoder.get_submodule(one).weight.detach().flatten(1).tolist() for one in names]
        by_layer = np.array([PAPERS[name](filters) for filters in layers])
        joined = by_layer.sum(axis=0) / len(names)
        np.testing.assert_allclose(
            scores[first].numpy(), joined / (joined.sum() / len(joined)), rtol=1e-9, err_msg=first
        )


@pytest.mark.parametrize("name", PAPERS)
def test_layers_are_compared_relative_to_their_mean(name: str, score: Score, new: New) -> None:
    encoder, found = new()
    for part in score(name, encoder, found, None).values():
        assert float(part.mean()) == pytest.approx(1, rel=1e-12)


def test_a_filter_in_the_middle_of_others_has_the_smallest_sum_of_distances() -> None:
    """He et al. 2019, figure 2: the norm would keep it, the geometric median does not."""
    around = [[9.0, 10.0], [11.0, 10.0], [10.0, 9.0], [10.0, 11.0], [10.0, 10.0], [0.0, 0.0]]
    found = distances(torch.tensor(around, dtype=torch.float64))
    assert int(found.argmin()) == 4
    assert int(found.argmax()) == 5


def test_filters_that_hardly_differ_keep_their_order_of_distances() -> None:
    """Differences of 1e-6 between filters of length 10 are lost where distances come from products."""
    steps = torch.tensor([0.0, 1.0, 2.0, 3.0, 7.0], dtype=torch.float64)
    found = distances(10 + 1e-6 * steps[:, None])
    expected = [1e-6 * sum(abs(a - b) for b in steps.tolist()) for a in steps.tolist()]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)
