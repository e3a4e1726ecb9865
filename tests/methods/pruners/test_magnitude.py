"""Magnitude against torch.nn.utils.prune."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.utils import prune as torch_prune

from prunemark.model.encoder import Architecture, Encoder, weights
from prunemark.model.randomness import generator
from prunemark.pruning.batches import Batches
from prunemark.pruning.mask import masks_from_scores


@pytest.mark.parametrize("rate", ["0.1", "0.5", "0.9"])
def test_global_magnitude_removes_what_torch_removes(rate: str, score: Callable[..., dict[str, Tensor]]) -> None:
    """torch.nn.utils.prune.global_unstructured with L1Unstructured, on weights of distinct magnitude."""
    encoder = Encoder(Architecture("resnet18", 4, 16)).eval()
    total = sum(weight.numel() for weight in weights(encoder).values())
    ranks = (torch.randperm(total, generator=generator("test ranks")) + 1) / 2**18
    signs = torch.randint(0, 2, (total,), generator=generator("test signs")) * 2 - 1
    with torch.no_grad():
        parts = (ranks * signs).split([weight.numel() for weight in weights(encoder).values()])
        for weight, part in zip(weights(encoder).values(), parts, strict=True):
            weight.copy_(part.view(weight.shape))
    mask = masks_from_scores(score("magnitude", encoder, None), rate, "global")

    theirs = copy.deepcopy(encoder).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    owners = {name: theirs.get_submodule(name.removesuffix(".weight")) for name in weights(encoder)}
    pairs = [(module, "weight") for module in owners.values()]
    torch_prune.global_unstructured(pairs, pruning_method=torch_prune.L1Unstructured, amount=float(rate))
    for name, module in owners.items():
        assert torch.equal(mask[name], module.weight_mask.bool()), name


def test_magnitude_is_the_absolute_value(
    encoder: Encoder, batches: Batches, score: Callable[..., dict[str, Tensor]]
) -> None:
    found = score("magnitude", encoder, batches)
    for name, weight in weights(encoder).items():
        assert torch.equal(found[name], torch.where(weight < 0, -weight, weight).detach())
