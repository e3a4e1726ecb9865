"""Optimizers of contrastive training, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn

from prunemark.errors import PrunemarkError

TRUST = 0.001


class LARS(torch.optim.SGD):
    """Layer-wise adaptive rate scaling (You et al. 2017, https://arxiv.org/abs/1708.03888, algorithm 1).

    For each tensor w with gradient g: local rate = trust * ||w|| / (||g + wd w||) as in SimCLR's implementation (the
    paper's denominator is ||g|| + wd ||w||), then SGD with momentum on local rate * (g + wd w). Vectors (biases and
    batch normalisation) get plain SGD without weight decay, as in SimCLR and BYOL.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        for group in self.param_groups:
            decay = group["weight_decay"]
            for parameter in group["params"]:
                if parameter.grad is None or parameter.dim() < 2:
                    continue
                parameter.grad.add_(parameter, alpha=decay)
                weight_norm, gradient_norm = parameter.norm(), parameter.grad.norm()
                scaled = torch.where((weight_norm > 0) & (gradient_norm > 0), TRUST * weight_norm / gradient_norm, 1.0)
                parameter.grad.mul_(scaled)
            # The decay is in the gradient already; SGD must not add it again.
            group["weight_decay"] = 0.0
        loss = super().step(closure)
        for group in self.param_groups:
            group["weight_decay"] = group["decay"]
        return loss


def build(name: str, parameters: Iterable[nn.Parameter], momentum: float, weight_decay: float) -> torch.optim.SGD:
    """The optimizer ``sgd`` or ``lars``; its learning rate is set before every step.

    Raises:
        PrunemarkError: another name.
    """
    kinds: dict[str, type[torch.optim.SGD]] = {"lars": LARS, "sgd": torch.optim.SGD}
    if name not in kinds:
        raise PrunemarkError(f"optimizer: {name!r} is not allowed: {' or '.join(kinds)}")
    optimizer = kinds[name](parameters, lr=0.0, momentum=momentum, weight_decay=weight_decay)
    for group in optimizer.param_groups:
        group["decay"] = weight_decay
    return optimizer


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up to ``peak`` over ``warmup`` steps, then a cosine to zero; ``step`` counts from 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
