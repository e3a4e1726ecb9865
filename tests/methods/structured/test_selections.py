"""Every criterion under every scope: how many channels go, nested selections, and what the mask leaves bit for bit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, state_bytes, weights
from prunemark.pruning.channels import Group, Kept, channel_mask, keep_channels
from prunemark.pruning.mask import apply
from prunemark.pruning.scopes import CHANNEL_SCOPES

NAMES = registry.names("structured")
RATES = ("0.1", "0.3", "0.5", "0.7", "0.9")
Scored = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]
# The groups of a ResNet-18 by what its scopes compare: streams behind shortcut convolutions are of one structure, the
# insides of blocks of another, and the stream of the stem is by itself.
STREAMS = ("backbone.layer2.0.conv2", "backbone.layer3.0.conv2")


def compared(found: list[Group], scope: str) -> list[list[str]]:
    names = [group.name for group in found]
    if scope == "global":
        return [names]
    if scope == "layer":
        return [[name] for name in names]
    inner = [name for name in names if name not in STREAMS and name != "backbone.conv1"]
    return [["backbone.conv1"], list(STREAMS), inner]


def reachable(found: list[Group], scope: str, rate: str) -> bool:
    sizes = {group.name: group.size for group in found}
    sets = compared(found, scope)
    return all(Fraction(rate) * sum(sizes[n] for n in names) <= sum(sizes[n] - 1 for n in names) for names in sets)


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_selections_are_nested_and_every_set_loses_its_share(name: str, scope: str, scored: Scored, new: New) -> None:
    _, found = new()
    before, reached = keep_channels(found, scored(name), "0", scope), 0
    assert all(part.all() for part in before.values())
    for rate in (rate for rate in RATES if reachable(found, scope, rate)):
        kept = keep_channels(found, scored(name), rate, scope)
        for names in compared(found, scope):
            flat = torch.cat([kept[key] for key in names])
            assert abs(int((~flat).sum()) - Fraction(rate) * len(flat)) <= Fraction(1, 2), (rate, names)
        assert all(part.dtype == torch.bool and part.any() for part in kept.values())
        assert all((before[key] | ~kept[key]).all() for key in kept)
        before, reached = kept, reached + 1
    assert reached == (5 if scope == "global" else 4)


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_lowest_go_and_the_best_of_a_group_stays(name: str, scope: str, scored: Scored, new: New) -> None:
    _, found = new()
    scores, kept = scored(name), keep_channels(found, scored(name), "0.5", scope)
    for names in compared(found, scope):
        gone = [float(s) for key in names for s in scores[key][~kept[key]]]
        best = {key: int(scores[key].argmax()) for key in names}
        left = [float(s) for key in names for i, s in enumerate(scores[key]) if kept[key][i] and i != best[key]]
        assert all(kept[key][best[key]] for key in names)
        assert gone
        assert max(gone) <= min(left)


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_mask_leaves_everything_but_its_weights_bit_for_bit(
    name: str, scope: str, scored: Scored, new: New
) -> None:
    encoder, found = new()
    masks = [channel_mask(encoder, found, keep_channels(found, scored(name), rate, scope)) for rate in ("0", "0.5")]
    assert state_bytes(apply(copy.deepcopy(encoder), masks[0])) == state_bytes(encoder)
    pruned, before, mask = apply(copy.deepcopy(encoder), masks[1]), encoder.state_dict(), masks[1]
    assert mask.keys() == weights(encoder).keys()
    assert not all(part.all() for part in mask.values())
    for key, tensor in pruned.state_dict().items():
        if key in mask:
            assert tensor[mask[key]].numpy().tobytes() == before[key][mask[key]].numpy().tobytes(), key
            assert not tensor[~mask[key]].view(torch.int32).any(), key
        else:
            assert tensor.numpy().tobytes() == before[key].numpy().tobytes(), key


def test_a_mask_removes_whole_rows_and_columns(scored: Scored, new: New, writers: dict[str, tuple[str, ...]]) -> None:
    """By hand for a ResNet-18: a removed channel is a row of all that write it, and rows and columns are all there is."""
    encoder, found = new()
    kept: Kept = keep_channels(found, scored("l1-filter"), "0.5", "global")
    mask = channel_mask(encoder, found, kept)
    rows = {f"{name}.weight": kept[first] for first, names in writers.items() for name in names}
    for name, part in mask.items():
        left = part.flatten(2).any(dim=2)
        assert torch.equal(part, left[:, :, None, None].expand(part.shape)), name
        assert torch.equal(left, left.any(dim=1)[:, None] & left.any(dim=0)), name
        assert torch.equal(left.any(dim=1), rows.get(name, torch.ones(len(part), dtype=torch.bool))), name


@pytest.mark.parametrize("scope", ["layer", "isomorphic"])
def test_a_rate_that_would_empty_a_layer_is_refused(scope: str, scored: Scored, new: New) -> None:
    _, found = new()
    with pytest.raises(PrunemarkError) as caught:
        keep_channels(found, scored("random"), "0.9", scope)
    assert str(caught.value) == "rate 0.9 cannot be met: it would empty a layer; reachable: 0 to 0.75"
