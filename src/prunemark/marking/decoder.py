"""A multilayer perceptron as plain tensors: what schemes that learn to read features keep of it in their secrets."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

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
