"""The host of marks that need room rather than a place early in the network: the largest convolution."""

from __future__ import annotations

from torch import nn

from prunemark.errors import PrunemarkError


def largest_convolution(encoder: nn.Module, scheme: str) -> tuple[str, nn.Conv2d]:
    """Name and module of the convolution with most weights, the first of equals.

    Raises:
        PrunemarkError: there is none; ``scheme`` says whose mark it is.
    """
    layers = [(name, part) for name, part in encoder.named_modules() if isinstance(part, nn.Conv2d)]
    if not layers:
        raise PrunemarkError(f"{scheme}: the encoder has 0 convolutions; allowed: 1 or more")
    return max(layers, key=lambda named: named[1].weight.numel())
