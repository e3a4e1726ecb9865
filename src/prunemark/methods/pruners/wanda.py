"""Wanda: weights by their size and that of what they meet (Sun et al. 2023, arXiv 2306.11695, equation 1).

The score of W_ij is |W_ij| ||X_j||_2, X_j the values that input j takes over all tokens of calibration images, and
weights are compared within an output row: the scope ``row``. Of a convolution, a row is an output channel, an input is
a position of its window, and the tokens are all places where the window stands, padding included: the rows of X are
those that unfolding the images would give.

Deviation: the paper's are linear layers of language models; the extension to convolutions is this one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunemark.model.encoder import Encoder, features, weights
from prunemark.pruning.batches import Batches

SETTINGS = {"batch_count": 1}
LEAST = {"batch_count": 1}
SCOPE = "row"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator, *, batch_count: int) -> dict[str, Tensor]:
    """|w| times the norm of its input over the images of ``batch_count`` batches, in float64."""
    squares = {name: torch.zeros(weight.shape[1:], dtype=torch.float64) for name, weight in weights(encoder).items()}
    hooks = []
    for name, module in encoder.named_modules():
        if f"{name}.weight" in squares:
            total = squares[f"{name}.weight"]

            def add(layer: nn.Module, inputs: tuple[Tensor, ...], _: Any, total: Tensor = total) -> None:
                total += input_squares(layer, inputs[0])

            hooks.append(module.register_forward_hook(add))
    try:
        for images in batches.draw(batch_count, generator):
            features(encoder, images)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: weight.detach().double().abs() * squares[name].sqrt() for name, weight in weights(encoder).items()}


def input_squares(layer: nn.Module, inputs: Tensor) -> Tensor:
    """The sum of the squares of every input of a layer's row, over images and places of the window."""
    if isinstance(layer, nn.Linear):
        return inputs.double().square().flatten(0, -2).sum(dim=0)
    assert isinstance(layer, nn.Conv2d)
    squares = inputs.double().square().sum(dim=0)  # (C, H, W): places do not mix images
    columns = F.unfold(
        squares[None],
        layer.kernel_size,
        dilation=layer.dilation,
        padding=layer.padding,  # type: ignore[arg-type]
        stride=layer.stride,
    )
    shape: tuple[int, ...] = (inputs.shape[1], *layer.kernel_size)
    return columns[0].sum(dim=1).view(shape)
