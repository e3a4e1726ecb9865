"""The linear head: multinomial logistic regression on standardised features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

PENALTY = 1e-3
ITERATIONS = 200


@dataclass(frozen=True)
class Head:
    """``argmax((x - mean) / std @ weight + bias)``; weight (d, classes), the others (d,) and (classes,)."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "std": self.std, "weight": self.weight, "bias": self.bias}

    def predict(self, features: Tensor) -> Tensor:
        """Predicted classes (N,) of features (N, d)."""
        return (((features - self.mean) / self.std) @ self.weight + self.bias).argmax(dim=1)


def fit_head(features: Tensor, labels: Tensor, classes: int) -> Head:
    """Fit a head to features (N, d) and labels (N,).

    Minimises mean cross entropy + 0.0005 ||weight||^2 (bias free) from zero by L-BFGS with strong Wolfe line search,
    at most 200 iterations. Features that never vary are left unscaled.
    """
    mean, std = features.mean(dim=0), features.std(dim=0)
    std = torch.where(std > 1e-6, std, torch.ones_like(std))
    scaled = (features - mean) / std
    weight = torch.zeros(features.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(scaled @ weight + bias, labels) + PENALTY / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return Head(mean, std, weight.detach(), bias.detach())
