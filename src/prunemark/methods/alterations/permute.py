"""Permuted channels: the same function in other bytes.

Within every residual block, the channels between one convolution and the next are put in a random order: rows of the
first convolution and its batch normalisation, and by the same order the input channels of the next one, so that

    W2[:, p] bn(W1 x)[p] = W2 bn(W1 x)

and features change by the order of summation alone. This symmetry of networks (Hecht-Nielsen 1990) costs an attacker
nothing and undoes what is read at fixed places of inner layers; the channels that shortcuts add up keep their order.
`rescale` changes their size as well.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.methods.alterations._inner_channels import inner_channels
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder

STRENGTHS = "all inner channels are permuted: 1"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Permute the inner channels of every block."""
    altered = copy.deepcopy(encoder).eval()
    with torch.no_grad():
        for before, norm, after in inner_channels(altered):
            order = torch.randperm(norm.num_features, generator=generator)
            for tensor in (*before.parameters(), *norm.parameters(), *norm.buffers()):
                reorder(tensor, order)
            after.weight.copy_(after.weight[:, order])
    return altered


def reorder(tensor: Tensor, order: Tensor) -> None:
    """Reorder the first axis, in place; counters, which have none, stay."""
    if tensor.dim():
        tensor.copy_(tensor[order])
