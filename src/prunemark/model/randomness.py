"""Explicit randomness: every generator and every experiment key is derived by name from public seeds."""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def generator(purpose: str, *parts: str | int) -> torch.Generator:
    """A CPU generator for one purpose; equal arguments give equal draws, and no two purposes share a stream."""
    name = "/".join(("prunemark", purpose, *map(str, parts)))
    return bytes_generator(hashlib.sha256(name.encode()).digest())


def bytes_generator(entropy: bytes) -> torch.Generator:
    """A CPU generator seeded by the first 8 bytes of ``entropy``."""
    return torch.Generator().manual_seed(int.from_bytes(entropy[:8], "little") >> 1)


def experiment_key(seed: int, scheme: str, purpose: str, index: int) -> bytes:
    """32 bytes for experiments: HMAC-SHA256 of (scheme, purpose, index) under the public ``seed``.

    Such keys are not secret: anyone who reads params.yaml can derive them. They make trials independent, nothing more.
    """
    message = f"prunemark/v1/{scheme}/{purpose}/{index}"
    return hmac.new(str(seed).encode(), message.encode(), hashlib.sha256).digest()


def draw_parameters(module: M, source: torch.Generator) -> M:
    """Draw all weights of ``module`` anew from ``source``, in the order of its modules, and return it.

    Convolutions: normal, He et al. 2015 (fan out, ReLU). Linear layers: uniform in +-1/sqrt(fan in), as PyTorch does.
    Batch normalisation: scale 1, shift 0.
    """
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                fan_out = part.out_channels * part.kernel_size[0] * part.kernel_size[1]
                part.weight.normal_(0, math.sqrt(2 / fan_out), generator=source)
            elif isinstance(part, nn.Linear):
                bound = 1 / math.sqrt(part.in_features)
                part.weight.uniform_(-bound, bound, generator=source)
                if part.bias is not None:
                    part.bias.uniform_(-bound, bound, generator=source)
            elif isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.reset_parameters()
    return module
