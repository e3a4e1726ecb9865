"""Where bit strings live: the host convolution of a scheme, its own sparsity, and bits compared with what was read."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Reading
from prunemark.marking.thresholds import at_least
from prunemark.model.encoder import Encoder


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


class HostWeight(NamedTuple):
    """A host weight (out, in, k, k) in float64 on the CPU, and the share of it that is zero."""

    values: Tensor
    sparsity: float


# A hundred thousand wrong keys read one host: it is converted once per content, which `_version` counts.
_CONVERTED: MutableMapping[Tensor, tuple[int, HostWeight]] = WeakIdKeyDictionary()


def host_weight(suspect: Encoder, layer: str) -> HostWeight | None:
    """The weight of the named convolution; ``None`` if it is gone."""
    try:
        module = suspect.get_submodule(layer)
    except AttributeError:
        return None
    if not isinstance(module, nn.Conv2d):
        return None
    version, known = _CONVERTED.get(module.weight, (-1, None))
    if known is None or version != module.weight._version:
        values = module.weight.detach().cpu().double()
        known = HostWeight(values, float((values == 0).double().mean()))
        _CONVERTED[module.weight] = (module.weight._version, known)
    return known


def matches(read: Tensor, bits: Tensor, weight: HostWeight) -> Reading:
    """The number of bits read, bool (T,), that are those embedded, uint8 (T,), with the law's p-value and the host's
    sparsity."""
    found = int((read == bits.bool()).sum())
    return Reading(float(found), at_least(found, len(bits)), len(bits), {"host_sparsity": weight.sparsity})


def nothing(bits: int) -> Reading:
    """The reading of a suspect whose host is gone or has another shape."""
    return Reading(0.0, 1.0, bits)
