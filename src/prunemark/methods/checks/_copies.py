"""Copies of an encoder that checks are learnt against: frozen, pruned, noised; and losses that need all their digits.

sslauth and stegguard are mirror images. Both learn a decoder on top of features and show it altered copies of the
encoder: one so that it no longer reads from them what it reads from the intact encoder, the other so that it does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.mask import apply, masks_from_scores

Loss = Callable[[Tensor], Tensor]


def exact(loss: Loss) -> Loss:
    """The loss in float32, whatever the trainer's autocast does: bfloat16 has not the digits that decoders read."""

    def run(rows: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return loss(rows)

    return run


def frozen(encoder: Encoder) -> Encoder:
    """A copy in evaluation mode whose parameters ask for no gradient; gradients still pass through to its images."""
    return copy.deepcopy(encoder).eval().requires_grad_(False)


def pruned(encoder: Encoder, rates: tuple[str, ...]) -> list[Encoder]:
    """Frozen copies without the given shares of their smallest weights, all layers ranked together."""
    scores = {name: weight.detach().abs() for name, weight in weights(encoder).items()}
    return [apply(frozen(encoder), masks_from_scores(scores, rate, "global")) for rate in rates]


def noised(encoder: Encoder, shares: tuple[float, ...], source: torch.Generator) -> list[Encoder]:
    """Frozen copies with Gaussian noise on their weights, in units of each weight tensor's root mean square."""
    copies = []
    for share in shares:
        altered = frozen(encoder)
        for weight in weights(altered).values():
            scale = share * float(weight.double().square().mean().sqrt())
            weight.add_(torch.randn(weight.shape, generator=source), alpha=scale)
        copies.append(altered)
    return copies
