"""The head stands at the optimum of its objective, and predicts as scikit-learn's does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from prunemark.metrics.head import PENALTY, Head, fit_head
from prunemark.model.randomness import generator

CLASSES = 4


def clusters(rows: int, spread: float, seed: int = 0, dimensions: int = 8) -> tuple[Tensor, Tensor]:
    source = generator("test clusters", seed)
    centres = torch.randn(CLASSES, dimensions, generator=generator("test centres"))
    labels = torch.randint(0, CLASSES, (rows,), generator=source)
    scales = torch.logspace(-2, 2, dimensions)
    points = centres[labels] + spread * torch.randn(rows, dimensions, generator=source)
    return points * scales + 5, labels


def objective(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> float:
    """Mean cross entropy + 0.0005 ||weight||^2, in double precision."""
    logits = x @ weight + bias
    logits -= logits.max(axis=1, keepdims=True)
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-log_shares[np.arange(len(x)), labels].mean() + 0.0005 * (weight**2).sum())


def gradient(x: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits = x @ weight + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    error = (shares - np.eye(CLASSES)[labels]) / len(x)
    return x.T @ error + 0.001 * weight, error.sum(axis=0)


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_the_gradient_vanishes_at_the_head(spread: float) -> None:
    features, labels = clusters(400, spread)
    head = fit_head(features, labels, CLASSES)
    x = ((features.double() - features.double().mean(0)) / features.double().std(0)).numpy()
    weight, bias = head.weight.double().numpy(), head.bias.double().numpy()
    by_weight, by_bias = gradient(x, labels.numpy(), weight, bias)
    start, _ = gradient(x, labels.numpy(), np.zeros_like(weight), np.zeros_like(bias))
    assert np.abs(by_weight).max() < 1e-3 * np.abs(start).max()
    assert np.abs(by_bias).max() < 1e-3 * np.abs(start).max()
    best = objective(x, labels.numpy(), weight, bias)
    noise = np.random.default_rng(0)
    for _ in range(20):
        nudged = weight + 0.05 * noise.standard_normal(weight.shape)
        assert objective(x, labels.numpy(), nudged, bias) > best


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_predictions_are_scikit_learns(spread: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn comes with lightly, extra dev only")
    features, labels = clusters(400, spread)
    test, _ = clusters(500, spread, seed=1)
    head = fit_head(features, labels, CLASSES)
    mean, std = features.double().mean(0).numpy(), features.double().std(0).numpy()
    # Its objective is C * sum of losses + ||w||^2 / 2.
    theirs = linear_model.LogisticRegression(C=1 / (PENALTY * 400), tol=1e-8, max_iter=5000)
    theirs.fit((features.double().numpy() - mean) / std, labels.numpy())
    expected = theirs.predict((test.double().numpy() - mean) / std)
    assert (head.predict(test).numpy() == expected).mean() > 0.995
    weight = theirs.coef_.T - theirs.coef_.T.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(head.weight.numpy(), weight, atol=5e-3)


def test_a_feature_that_never_varies_is_left_out() -> None:
    features, labels = clusters(100, 0.3)
    features[:, 2] = 7.0
    features[:, 3] = 0.0
    head = fit_head(features, labels, CLASSES)
    assert head.left_out == 2
    assert head.std[2] == 1
    assert head.mean[2] == 7
    assert (head.weight[[2, 3]] == 0).all()
    assert all(tensor.isfinite().all() for tensor in head.tensors().values())
    assert (head.predict(features) == labels).double().mean() > 0.9


def test_what_lies_below_the_resolution_of_the_mean_is_left_out() -> None:
    """Of a float32 around 1,000 the last digit is worth 6e-5: a feature that varies by less shows its rounding."""
    features, labels = clusters(100, 0.3)
    features[:, 1] = 1000 + 2e-5 * torch.randn(100, generator=generator("test rounding"))
    assert len(features[:, 1].unique()) > 1
    head = fit_head(features, labels, CLASSES)
    assert head.left_out == 1
    assert (head.weight[1] == 0).all()


@pytest.mark.parametrize(("scale", "shift"), [(1e-9, 0.0), (2**-10, 1.0), (1e9, 0.0), (3.0, -50.0)])
def test_scale_and_shift_of_the_features_change_no_prediction(scale: float, shift: float) -> None:
    features, labels = clusters(400, 1.0)
    test, _ = clusters(500, 1.0, seed=1)
    expected = fit_head(features, labels, CLASSES).predict(test)
    head = fit_head(scale * features.double() + shift, labels, CLASSES)
    assert head.left_out == 0
    assert (head.predict(scale * test.double() + shift) == expected).double().mean() > 0.995


def test_a_head_of_collapsed_features_is_scikit_learns() -> None:
    """Standard deviations some hundred times the resolution of the mean, and far below 1e-6: they still tell."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn comes with lightly, extra dev only")
    features, labels = clusters(400, 0.3)
    spread = features.double().std(0)
    collapsed = (0.02 * (1 + 100 * torch.finfo(torch.float32).eps * features.double() / spread)).float()
    assert (collapsed.std(0) < 1e-6).all()
    x = collapsed.double().numpy()
    x = (x - x.mean(0)) / x.std(0, ddof=1)
    theirs = linear_model.LogisticRegression(C=1 / (PENALTY * 400), tol=1e-8, max_iter=5000).fit(x, labels.numpy())
    head = fit_head(collapsed, labels, CLASSES)
    assert head.left_out == 0
    assert (head.predict(collapsed).numpy() == theirs.predict(x)).mean() > 0.995
    assert (head.predict(collapsed) == labels).double().mean() > 0.9


def test_predictions_are_the_largest_of_the_linear_scores() -> None:
    head = Head(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0]), torch.eye(2), torch.tensor([0.0, 0.5]))
    # (3, 0) scores (1, 0.5); (1, 0) scores (0, 0.5); (2, 0) ties at 0.5 and goes to the first.
    assert head.predict(torch.tensor([[3.0, 0.0], [1.0, 0.0], [2.0, 0.0]])).tolist() == [0, 1, 0]


def test_twice_the_same_bits_and_no_gradient_left() -> None:
    features, labels = clusters(200, 1.0)
    first, again = fit_head(features, labels, CLASSES), fit_head(features.clone(), labels, CLASSES)
    assert all(torch.equal(first.tensors()[name], again.tensors()[name]) for name in first.tensors())
    assert not any(tensor.requires_grad for tensor in first.tensors().values())
    assert Head(**first.tensors()) == first
