"""Activations of few bits: the input of every convolution and linear layer rounded to integers and back to floats.

Uniform affine quantisation per tensor (Jacob et al. 2018, arXiv 1712.05877, equation 1; Nagel et al. 2021, arXiv
2106.08295, section 2.2): with the range [low, high] of a layer's input, which holds 0, and b bits

    scale = (high - low) / (2^b - 1),   zero = round(-low / scale),
    x'    = scale * (clip(round(x / scale) + zero, 0, 2^b - 1) - zero)

so that every layer sees at most 2^b values; a scale is no smaller than float32's resolution of 1, as PyTorch's
observers have it. It is computed in floats ("fake quantisation"), as a simulation of integer kernels: what is rounded
is what they would round, and nothing is faster.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

RANGE = "input_range"


def layers(module: nn.Module) -> Iterator[nn.Module]:
    """The convolutions and linear layers of a module, in its order."""
    return (part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear))


def round_inputs(module: nn.Module, bits: int) -> None:
    """Make every layer of a module round its input to ``bits`` bits, in place.

    Each gets a buffer ``input_range`` (2,), low and high, which whoever calibrates it fills; until then it sees next to
    nothing.
    """
    for layer in layers(module):
        layer.register_buffer(RANGE, torch.zeros(2))
        layer.input_bits = bits  # type: ignore[assignment]
        layer.register_forward_pre_hook(rounded_input)


def rounded_input(layer: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """A hook, by itself no part of any layer: a copy of one finds the range of the copy."""
    top = 2 ** int(layer.input_bits) - 1  # type: ignore[arg-type]
    low, high = layer.get_buffer(RANGE)
    scale = ((high - low) / top).clamp(min=torch.finfo(torch.float32).eps)
    zero = (-low / scale).round().clamp(0, top).to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(inputs[0], scale, zero, 0, top)
