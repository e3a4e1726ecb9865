"""Where bit strings live: the host convolution of a scheme, its own sparsity, and bits compared with what was read."""

from __future__ import annotations

import hashlib
import hmac

import torch
from torch import Tensor, nn

from prunemark.encoder import Encoder
from prunemark.errors import PrunemarkError
from prunemark.randomness import bytes_generator
from prunemark.thresholds import at_least
from prunemark.watermark import Reading


def host(encoder: nn.Module, least: int, what: str) -> tuple[str, nn.Conv2d]:
    """Name and module of the first convolution, in module order, with a kernel larger than 1 and at least ``least``
    weights per output channel; no layer is named.

    Raises:
        PrunemarkError: there is none; ``what`` says whose mark it is.
    """
    largest = 0
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            size = module.weight[0].numel()
            if size >= least:
                return name, module
            largest = max(largest, size)
    raise PrunemarkError(
        f"{what} need a convolution with at least {least} weights per output channel, not {largest}; "
        f"allowed: fewer bits or a wider encoder"
    )


def host_weight(suspect: Encoder, layer: str) -> Tensor | None:
    """The weight (out, in, k, k), float64 on the CPU, of the named convolution; ``None`` if it is gone."""
    try:
        module = suspect.get_submodule(layer)
    except AttributeError:
        return None
    return module.weight.detach().cpu().double() if isinstance(module, nn.Conv2d) else None


def matches(read: Tensor, bits: Tensor, weight: Tensor) -> Reading:
    """The number of bits read, bool (T,), that are those embedded, uint8 (T,), with the law's p-value and the share of
    the host ``weight`` that is zero."""
    found = int((read == bits.bool()).sum())
    sparsity = float((weight == 0).double().mean())
    return Reading(float(found), at_least(found, len(bits)), len(bits), {"host_sparsity": sparsity})


def nothing(bits: int) -> Reading:
    """The reading of a suspect whose host is gone or has another shape."""
    return Reading(0.0, 1.0, bits)


def stream(key: bytes, scheme: str, purpose: str) -> torch.Generator:
    """The generator of a key for one purpose of one scheme: HMAC-SHA256 with domain separation."""
    return bytes_generator(hmac.digest(key, f"prunemark/{scheme}/{purpose}".encode(), hashlib.sha256))
