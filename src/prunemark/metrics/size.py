"""How large an encoder is: non-zero weights, multiply-accumulates, bytes of a sparse layout."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from prunemark.encoder import Encoder, state, weights

VALUE_BYTES = INDEX_BYTES = 4


def nonzeros(encoder: Encoder) -> tuple[int, int]:
    """Non-zero and all prunable weights."""
    parts = weights(encoder).values()
    return sum(int(w.count_nonzero()) for w in parts), sum(w.numel() for w in parts)


def macs(encoder: Encoder) -> int:
    """Multiply-accumulates of one image in convolutions and linear layers, dense: zeros are multiplied too.

    A mask alone saves none of them on ordinary kernels; no speed-up follows from sparsity here.
    """
    total = 0

    def count(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        nonlocal total
        weight: torch.Tensor = module.weight  # type: ignore[assignment]
        total += weight.numel() * output[0, 0].numel() if output.dim() == 4 else weight.numel()

    layers = [module for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    size = encoder.spec.image_size
    with torch.no_grad():
        encoder(torch.zeros(1, 3, size, size, device=encoder.mean.device))
    for hook in hooks:
        hook.remove()
    return total


def sparse_bytes(encoder: Encoder) -> int:
    """Bytes of the encoder with each prunable weight in compressed sparse rows (float32 values, int32 indices).

    One row per output channel; everything else dense. Headers are not counted.
    """
    prunable = weights(encoder)
    total = 0
    for name, tensor in state(encoder).items():
        if name in prunable:
            total += int(tensor.count_nonzero()) * (VALUE_BYTES + INDEX_BYTES) + (tensor.shape[0] + 1) * INDEX_BYTES
        else:
            total += tensor.numel() * tensor.element_size()
    return total
