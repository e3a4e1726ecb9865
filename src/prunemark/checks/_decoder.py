"""What is read from features, and the altered copies it is trained on: shared by sslauth and stegguard.

The two are mirror images. Both learn a decoder on top of features and show it altered copies of the encoder: one so
that it no longer reads from them what it reads from the intact encoder, the other so that it still does.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from prunemark.encoder import Encoder, weights
from prunemark.mask import apply, masks_from_scores

Loss = Callable[[Tensor], Tensor]
NAME = "decoder"


def draw_decoder(sizes: tuple[int, ...], source: torch.Generator) -> list[Tensor]:
    """Weight (out, in) and bias (out,) of each layer of a multilayer perceptron, uniform in +-1/sqrt(in), as PyTorch
    draws them; ready to be trained."""
    parameters = []
    for inputs, outputs in itertools.pairwise(sizes):
        bound = 1 / math.sqrt(inputs)
        for shape in ((outputs, inputs), (outputs,)):
            drawn = torch.empty(shape).uniform_(-bound, bound, generator=source)
            parameters.append(drawn.requires_grad_())
    return parameters


def decode(parameters: list[Tensor], inputs: Tensor) -> Tensor:
    """Outputs (N, out) for inputs (N, in); ReLU between layers, nothing after the last one."""
    values = inputs
    for i in range(0, len(parameters), 2):
        values = values.clamp(min=0) if i else values
        values = values @ parameters[i].to(values.dtype).T + parameters[i + 1].to(values.dtype)
    return values


def packed(parameters: list[Tensor]) -> dict[str, Tensor]:
    """The decoder as tensors of a secret."""
    return {f"{NAME}.{i}": tensor.detach().clone() for i, tensor in enumerate(parameters)}


def unpacked(tensors: dict[str, Tensor]) -> list[Tensor]:
    """The decoder in the tensors of a secret."""
    return [tensors[f"{NAME}.{i}"] for i in range(sum(name.startswith(f"{NAME}.") for name in tensors))]


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
