"""A smaller encoder becomes the masked one again bit for bit, and says by itself how many channels it has."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.metrics.size import macs, nonzeros
from prunemark.model.encoder import Encoder, features, state, state_bytes
from prunemark.pruning.channel_groups import shrink
from prunemark.pruning.channels import Group, channel_mask, expand, keep_channels
from prunemark.pruning.mask import Mask, apply
from prunemark.pruning.scopes import CHANNEL_SCOPES

ARCHITECTURES = registry.names("encoders")
RATES = ("0", "0.1", "0.3", "0.5", "0.7")
Scored = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]
Pair = Callable[..., tuple[Encoder, Encoder, Mask]]
Images = Callable[..., Tensor]


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_expanding_gives_the_masked_encoder_bit_for_bit(
    architecture: str, scope: str, scored: Scored, new: New, images: Images, pair: Pair
) -> None:
    encoder, found = new(architecture)
    for rate in RATES:
        kept = keep_channels(found, scored("l2-filter", architecture), rate, scope)
        masked, small, mask = pair(encoder, found, kept)
        for source in (small, shrink(masked, found, kept)):
            wide = expand(source, encoder, mask)
            assert state_bytes(wide) == state_bytes(masked)
            assert torch.equal(features(wide, images()), features(masked, images()))
        assert nonzeros(small)[0] == nonzeros(masked)[0]
        assert macs(small)[0] == macs(small)[1] == macs(masked)[1]


def test_values_that_changed_since_come_back_where_channels_are_left(scored: Scored, new: New, images: Images) -> None:
    """As after fine-tuning: kept weights and what normalises kept channels are the smaller encoder's, the rest not."""
    encoder, found = new()
    mask = channel_mask(encoder, found, keep_channels(found, scored("random"), "0.5", "global"))
    tuned = copy.deepcopy(encoder)
    with torch.no_grad():
        for part in tuned.state_dict().values():
            if part.is_floating_point() and part.dim() and part.shape != (3,):
                part.mul_(1.25)
    small = shrink(apply(tuned, mask), found, keep_channels(found, scored("random"), "0.5", "global"))
    wide = state(expand(small, encoder, mask))
    before = state(encoder)
    rows = {owner: mask[f"{conv}.weight"].flatten(1).any(dim=1) for conv, owner in behind(encoder).items()}
    for name, part in wide.items():
        owner = name.rpartition(".")[0]
        if name in mask:
            assert torch.equal(part, torch.where(mask[name], before[name] * 1.25, 0)), name
        elif owner in rows:
            assert torch.equal(part, torch.where(rows[owner], before[name] * 1.25, before[name])), name
        else:
            assert torch.equal(part, before[name]), name
    torch.testing.assert_close(features(small, images()), features(expand(small, encoder, mask), images()))


def behind(encoder: Encoder) -> dict[str, str]:
    """Batch normalisations of a ResNet by the convolutions before them."""
    convs = [name for name, module in encoder.named_modules() if isinstance(module, nn.Conv2d)]
    return {name: f"{name[:-1]}1" if "downsample" in name else name.replace("conv", "bn") for name in convs}


def test_shrinking_leaves_its_argument_alone(scored: Scored, new: New) -> None:
    shared, found = new()
    encoder = copy.deepcopy(shared)
    kept = keep_channels(found, scored("random"), "0.5", "global")
    copies = {name: part.clone() for name, part in kept.items()}
    parameters = list(encoder.parameters())
    small = shrink(encoder, found, kept)
    mask = channel_mask(encoder, found, kept)
    expand(small, encoder, mask)
    assert state_bytes(encoder) == state_bytes(shared)
    assert encoder.spec == shared.spec
    assert all(torch.equal(part, copies[name]) for name, part in kept.items())
    assert all(a is b for a, b in zip(encoder.parameters(), parameters, strict=True))
    assert all(part.grad is None for one in (encoder, small) for part in one.parameters())
    assert not any(module._forward_hooks for one in (encoder, small) for module in one.modules())
    assert not any(module.training for module in small.modules())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_specification_counts_the_channels_that_are_left(architecture: str, scored: Scored, new: New) -> None:
    encoder, found = new(architecture)
    kept = keep_channels(found, scored("random", architecture), "0.5", "global")
    small = shrink(encoder, found, kept)
    assert small.features == encoder.features
    channels = small.spec.channels
    assert channels is not None
    modules = {name: module for name, module in small.named_modules() if isinstance(module, nn.Conv2d)}
    assert channels == {name: list(conv.weight.shape[:2]) for name, conv in modules.items()}
    for group in found:
        left = int(kept[group.name].sum())
        assert [channels[name][0] for name in group.writers] == [left] * len(group.writers)
        assert [channels[name][1] for name in group.readers] == [left] * len(group.readers)
        assert all(small.get_submodule(name).num_features == left for name in group.norms)
