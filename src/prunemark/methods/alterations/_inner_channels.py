"""Channels that nothing but the next convolution reads: what an alteration may reorder or rescale unseen."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

Inner = tuple[nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]


def inner_channels(encoder: nn.Module) -> Iterator[Inner]:
    """Every convolution, batch normalisation and next convolution between which channels are free, in module order.

    They are found by their structure: wherever the three fit each other and follow one another among a module's own
    parts, in which case nothing else reads what lies between them.
    """
    for module in encoder.modules():
        parts = list(module.children())
        for before, norm, after in zip(parts, parts[1:], parts[2:], strict=False):
            if (
                isinstance(before, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and isinstance(after, nn.Conv2d)
                and before.groups == after.groups == 1
                and before.out_channels == norm.num_features == after.in_channels
            ):
                yield before, norm, after
