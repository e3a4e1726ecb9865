"""How large an encoder is: non-zero weights, multiply-accumulates, bytes in several layouts.

Bytes are those of the tensors; headers are not counted. Every layout keeps float32 bit for bit but ``half``, and holds
what is no prunable weight (batch normalisation, biases) as it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder, state, weights

VALUE_BYTES = INDEX_BYTES = 4
HALF_BYTES = 2


def nonzeros(encoder: Encoder) -> tuple[int, int]:
    """Non-zero and all prunable weights."""
    parts = weights(encoder).values()
    return sum(int(w.count_nonzero()) for w in parts), sum(w.numel() for w in parts)


def compression_ratio(original: Encoder, pruned: Encoder) -> float:
    """All parameters over those that are not zero any more, biases and batch normalisation included.

    Blalock et al. 2020 (https://arxiv.org/abs/2003.03033, section 6): original size over new size, a size being a count
    of parameters of which zeros are none. It says nothing about bytes or time.
    """
    left = sum(int(p.count_nonzero()) for p in pruned.parameters())
    return sum(p.numel() for p in original.parameters()) / left


def macs(encoder: Encoder) -> tuple[int, int]:
    """Multiply-accumulates of one image in convolutions and linear layers: all, and those by weights that are not zero.

    Ordinary kernels do all of them, so that a mask alone saves none.
    """
    every = useful = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal every, useful
        weight: Tensor = module.weight  # type: ignore[assignment]
        places = output[0, 0].numel() if output.dim() == 4 else 1
        every += weight.numel() * places
        useful += int(weight.count_nonzero()) * places

    layers = [module for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    size = encoder.spec.image_size
    with torch.no_grad():
        encoder(torch.zeros(1, 3, size, size, device=encoder.mean.device))
    for hook in hooks:
        hook.remove()
    return every, useful


def layouts(encoder: Encoder) -> dict[str, int]:
    """Bytes by layout: ``dense`` (float32), ``half`` (float16, which rounds), ``bitmask`` (a bit per prunable weight
    and the values that are not zero), ``sparse`` (compressed sparse rows, one per output channel, int32 indices; a
    weight for which that is larger stays dense).
    """
    prunable, found = weights(encoder), dict.fromkeys(("dense", "half", "bitmask", "sparse"), 0)
    for name, tensor in state(encoder).items():
        dense = tensor.numel() * tensor.element_size()
        found["dense"] += dense
        found["half"] += tensor.numel() * HALF_BYTES
        if name in prunable:
            kept = int(tensor.count_nonzero())
            found["bitmask"] += -(-tensor.numel() // 8) + kept * VALUE_BYTES
            rows = (tensor.shape[0] + 1) * INDEX_BYTES
            found["sparse"] += min(dense, kept * (VALUE_BYTES + INDEX_BYTES) + rows)
        else:
            found["bitmask"] += dense
            found["sparse"] += dense
    return found
