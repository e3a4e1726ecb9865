"""Feature similarity against the definitions with kernels and centring matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from prunemark.metrics.similarity import cka_parts, cosines, linear_cka
from prunemark.model.randomness import generator


def draw(rows: int, columns: int, name: str) -> Tensor:
    return torch.randn(rows, columns, generator=generator("test", name)) + 1


def cka(a: Tensor, b: Tensor) -> float:
    return linear_cka(*cka_parts(a, b))


def hsic(k: np.ndarray, q: np.ndarray) -> float:
    """Kornblith et al. 2019, equation 2: tr(K H L H) / (n - 1)^2 with H = I - 11'/n."""
    n = len(k)
    centring = np.eye(n) - np.ones((n, n)) / n
    return float(np.trace(k @ centring @ q @ centring)) / (n - 1) ** 2


@pytest.mark.parametrize(("p", "q"), [(5, 5), (3, 9), (40, 2)])
def test_cka_is_that_of_linear_kernels(p: int, q: int) -> None:
    a, b = draw(30, p, "a"), draw(30, q, "b")
    k, m = (x.double().numpy() @ x.double().numpy().T for x in (a, b))
    assert cka(a, b) == pytest.approx(hsic(k, m) / (hsic(k, k) * hsic(m, m)) ** 0.5, rel=1e-9)
    cross, aa, bb = cka_parts(a, b)
    assert (cross, aa, bb) == pytest.approx(tuple(29**2 * hsic(*pair) for pair in ((k, m), (k, k), (m, m))), rel=1e-9)


def test_cka_knows_neither_rotation_nor_scale_nor_shift() -> None:
    a, b = draw(50, 6, "a").double(), draw(50, 4, "b").double()
    turn = torch.linalg.qr(draw(6, 6, "turn").double()).Q
    assert cka(a @ turn * 7 + 3, b) == pytest.approx(cka(a, b), rel=1e-9)
    assert cka(a, a @ turn * 0.1 - 2) == pytest.approx(1, rel=1e-9)
    assert cka(b, a) == pytest.approx(cka(a, b), rel=1e-12)
    stretch = torch.diag(torch.tensor([1.0, 2, 3, 4, 5, 6])).double()
    assert cka(a @ stretch, b) != pytest.approx(cka(a, b), rel=1e-3)


def test_cka_of_constant_features_is_zero() -> None:
    assert cka(torch.ones(10, 3), draw(10, 3, "b")) == 0
    assert cka(torch.zeros(10, 3), torch.zeros(10, 3)) == 0


def test_cosines_are_those_of_rows() -> None:
    a, b = draw(20, 5, "a"), draw(20, 5, "b")
    rows = zip(a.double().numpy(), b.double().numpy(), strict=True)
    expected = [x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) for x, y in rows]
    np.testing.assert_allclose(cosines(a, b).numpy(), expected, rtol=1e-12)
    assert cosines(a, 3 * a).tolist() == pytest.approx([1] * 20)
    a[0] = 0
    assert cosines(a, b)[0] == 0
