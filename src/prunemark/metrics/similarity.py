"""How alike two encoders' features of the same images are."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosine (N,) between rows of (N, d) and (N, d); 0 where a row is zero."""
    return F.cosine_similarity(a.double(), b.double(), dim=1)


def cka_parts(a: Tensor, b: Tensor) -> tuple[float, float, float]:
    """The three squared Frobenius norms of linear CKA: of A'B, A'A and B'B, for column-centred A (N, p), B (N, q)."""
    a, b = a.double() - a.double().mean(dim=0), b.double() - b.double().mean(dim=0)
    cross, aa, bb = (float((x.T @ y).square().sum()) for x, y in ((a, b), (a, a), (b, b)))
    return cross, aa, bb


def linear_cka(cross: float, aa: float, bb: float) -> float:
    """Linear CKA, ||A'B||^2 / (||A'A|| ||B'B||) (Kornblith et al. 2019, equation 3); 0 where features are constant.

    Args:
        cross, aa, bb: the parts from `cka_parts`.
    """
    return cross / (aa * bb) ** 0.5 if aa * bb > 0 else 0.0
