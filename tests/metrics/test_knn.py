"""Weighted nearest neighbours against a loop."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prunemark.metrics.knn import CHUNK, knn_predict
from prunemark.model.randomness import generator


def written_out(bank: np.ndarray, labels: np.ndarray, queries: np.ndarray, classes: int) -> list[int]:
    """Wu et al. 2018, section 3.4: each of the 20 nearest votes exp(cosine / 0.1) for its class."""
    found = []
    for query in queries:
        cosine = [query @ row / np.sqrt((query @ query) * (row @ row)) for row in bank]
        nearest = sorted(range(len(bank)), key=lambda i: -cosine[i])[:20]
        votes = [sum(np.exp(cosine[i] / 0.1) for i in nearest if labels[i] == c) for c in range(classes)]
        found.append(int(np.argmax(votes)))
    return found


def draw(rows: int, name: str, dimensions: int = 6) -> Tensor:
    return torch.randn(rows, dimensions, generator=generator("test", name))


def test_equals_the_votes_counted_one_by_one() -> None:
    labels = torch.randint(0, 5, (200,), generator=generator("test labels"))
    bank, queries = draw(200, "bank"), draw(150, "queries")
    found = knn_predict(bank, labels, queries, 5)
    assert found.tolist() == written_out(bank.double().numpy(), labels.numpy(), queries.double().numpy(), 5)
    assert len(found.unique()) == 5


def test_a_single_row_decides() -> None:
    assert knn_predict(draw(1, "bank"), torch.tensor([3]), draw(4, "queries"), 7).tolist() == [3, 3, 3, 3]


def test_a_small_bank_votes_as_a_whole() -> None:
    labels = torch.tensor([0, 1, 1, 2, 0])
    bank, queries = draw(5, "bank"), draw(60, "queries")
    expected = written_out(bank.double().numpy(), labels.numpy(), queries.double().numpy(), 3)
    assert knn_predict(bank, labels, queries, 3).tolist() == expected


def test_a_query_equal_to_a_row_of_a_far_away_bank_gets_its_label() -> None:
    """With all other cosines 0, one neighbour outvotes 19: exp(10) against 19."""
    bank, labels = torch.eye(30), torch.arange(30) % 7
    assert torch.equal(knn_predict(bank, labels, bank, 7), labels)


def test_lengths_do_not_matter_and_chunks_join() -> None:
    labels = torch.randint(0, 4, (100,), generator=generator("test labels"))
    bank, queries = draw(100, "bank"), draw(CHUNK + 30, "queries")
    found = knn_predict(bank, labels, queries, 4)
    lengths = torch.rand(len(queries), 1, generator=generator("test lengths")) + 0.5
    assert torch.equal(knn_predict(3 * bank, labels, queries * lengths, 4), found)
    assert torch.equal(knn_predict(bank, labels, queries[CHUNK:], 4), found[CHUNK:])


def test_features_that_differ_in_their_last_digit_alone_are_told_apart() -> None:
    """An encoder that collapsed: cosines of such rows are 1 but for rounding, in double precision too."""
    classes, unit = 5, torch.finfo(torch.float32).eps
    labels = torch.arange(300) % classes
    patterns = torch.rand(classes, 256, generator=generator("test patterns")) < 0.02
    noise = torch.rand(300, 256, generator=generator("test noise")) < 0.002
    rows = 1 + unit * (patterns[labels] ^ noise)
    bank, queries = rows[:200], rows[200:]
    expected = written_out(
        bank.numpy().astype(np.longdouble), labels[:200].numpy(), queries.numpy().astype(np.longdouble), classes
    )
    assert knn_predict(bank, labels[:200], queries, classes).tolist() == expected
    assert (np.array(expected) == labels[200:].numpy()).mean() > 0.95


def test_ties_go_to_the_smaller_class() -> None:
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert knn_predict(bank, torch.tensor([2, 1]), torch.tensor([[1.0, 0.0]]), 3).tolist() == [1]
