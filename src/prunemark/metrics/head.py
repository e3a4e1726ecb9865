"""The linear head: multinomial logistic regression on standardised features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

PENALTY = 1e-3
ITERATIONS = 200
# Neighbouring float32 numbers lie so far apart, relative to their size.
RESOLUTION = torch.finfo(torch.float32).eps


@dataclass(frozen=True)
class Head:
    """``argmax((x - mean) / std @ weight + bias)``; weight (d, classes), mean and std (d,) in double precision, bias
    (classes,)."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def tensors(self) -> dict[str, Tensor]:
        return {"mean": self.mean, "std": self.std, "weight": self.weight, "bias": self.bias}

    @property
    def left_out(self) -> int:
        """How many features no class score depends on."""
        return int((self.weight == 0).all(dim=1).sum())

    def logits(self, features: Tensor) -> Tensor:
        """Class scores (N, classes) of features (N, d)."""
        scaled = (features.double() - self.mean) / self.std
        return (scaled @ self.weight.double() + self.bias).to(features.dtype)

    def predict(self, features: Tensor) -> Tensor:
        """Predicted classes (N,) of features (N, d)."""
        return self.logits(features).argmax(dim=1)


def fit_head(features: Tensor, labels: Tensor, classes: int) -> Head:
    """Fit a head to features (N, d) and labels (N,).

    Minimises mean cross entropy + 0.0005 ||weight||^2 (bias free) from zero by SciPy's L-BFGS-B with at most 200
    iterations, in double precision: where these end would else depend on float32's rounding. A feature whose standard
    deviation is below float32's resolution of its mean holds rounding alone: it is left out, its std 1, its weights 0.
    """
    # Slow to import, and many processes that know heads never fit one.
    from scipy.optimize import minimize

    features = features.double()
    mean, std = features.mean(dim=0), features.std(dim=0)
    varies = std > RESOLUTION * mean.abs()
    std = torch.where(varies, std, 1.0)
    scaled = (features - mean) / std * varies
    n, d = scaled.shape
    # Classes first: the softmax then goes along memory, a class at a time, and not over rows of a few numbers.
    columns, truth = scaled.T.contiguous(), (labels, torch.arange(n))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = torch.from_numpy(flat).split([d * classes, classes])
        weight = weight.view(classes, d)
        log_shares = torch.log_softmax(torch.addmm(bias[:, None], weight, columns), dim=0)
        loss = -log_shares[truth].sum() / n + PENALTY / 2 * weight.square().sum()
        slope = log_shares.exp_()
        slope[truth] -= 1
        slope /= n
        by_weight = slope @ scaled + PENALTY * weight
        return float(loss), torch.cat([by_weight.flatten(), slope.sum(dim=1)]).numpy()

    found = minimize(
        objective, np.zeros((d + 1) * classes), jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    weight, bias = torch.from_numpy(found.x).float().split([d * classes, classes])
    return Head(mean, std, weight.view(classes, d).T.contiguous(), bias)
