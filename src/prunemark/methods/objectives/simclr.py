"""SimCLR: the normalised temperature-scaled cross entropy between two views (NT-Xent).

Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations",
https://arxiv.org/abs/2002.05709, equation 1 and algorithm 1; temperature 0.5 from appendix B.9 (CIFAR-10).
The projector is the paper's two-layer one, with batch normalisation after the first layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunemark.methods.objectives._views import two_views
from prunemark.model.randomness import draw_parameters

SETTINGS = {"temperature": 0.5, "projection_dim": 128}
LEAST = {"temperature": 0.001, "projection_dim": 1}
VIEWS = two_views


class SimCLR(nn.Module):
    def __init__(self, features: int, temperature: float, projection_dim: int) -> None:
        super().__init__()
        self.temperature = temperature
        self.projector = nn.Sequential(
            nn.Linear(features, features, bias=False),
            nn.BatchNorm1d(features),
            nn.ReLU(),
            nn.Linear(features, projection_dim),
        )

    def forward(self, encode: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
        """The loss (scalar) of views (2N, 3, H, W)."""
        return nt_xent(self.projector(encode(views)), self.temperature)

    def terms(self, encode: Callable[[Tensor], Tensor], views: Tensor) -> Tensor:
        """The loss of every view (2N,), whose mean is the loss."""
        return nt_xent(self.projector(encode(views)), self.temperature, reduction="none")


def nt_xent(projections: Tensor, temperature: float, reduction: str = "mean") -> Tensor:
    """NT-Xent (Chen et al. 2020, equation 1), averaged over all 2N positive pairs, or each by itself (``none``).

    Args:
        projections: (2N, d), rows i and i + N being the two views of image i.
        temperature: tau > 0.
        reduction: as in `torch.nn.functional.cross_entropy`.
    """
    z = F.normalize(projections.float(), dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    pairs = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return F.cross_entropy(similarity, pairs, reduction=reduction)


def build(features: int, generator: torch.Generator, *, temperature: float, projection_dim: int) -> SimCLR:
    """The projector of SimCLR for an encoder with ``features`` outputs, its weights drawn from ``generator``."""
    return draw_parameters(SimCLR(features, temperature, projection_dim), generator)
