"""Every criterion under every scope: counts, nested masks, patterns, and what stays bit for bit."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, state_bytes, weights
from prunemark.pruning.batches import Batches
from prunemark.pruning.mask import Mask, apply, masks_from_scores
from prunemark.pruning.scopes import SCOPES

NAMES = registry.names("pruners")
RATES = ("0.1", "0.3", "0.5", "0.7", "0.9", "0.99")
PATTERNS = {"2:4": 4, "4:8": 8}


@pytest.fixture(scope="module")
def scored(
    score: Callable[..., dict[str, Tensor]], encoder: Encoder, batches: Batches
) -> Callable[[str], dict[str, Tensor]]:
    return functools.cache(lambda name: score(name, encoder, batches))


def groups(mask: Mask, scope: str) -> list[Tensor]:
    """The kept flags that a scope compares with each other."""
    if scope == "global":
        return [torch.cat([part.flatten() for part in mask.values()])]
    return [row for part in mask.values() for row in ([part.flatten()] if scope == "layer" else part.flatten(1))]


@pytest.mark.parametrize("scope", ["global", "layer", "row"])
@pytest.mark.parametrize("name", NAMES)
def test_masks_are_nested_and_every_group_loses_its_share(
    name: str, scope: str, scored: Callable[[str], dict[str, Tensor]]
) -> None:
    before = masks_from_scores(scored(name), "0", scope)
    for rate in RATES:
        mask = masks_from_scores(scored(name), rate, scope)
        for group in groups(mask, scope):
            off = abs(int((~group).sum()) - Fraction(rate) * len(group))
            assert off < 1 if scope == "row" else off <= Fraction(1, 2)
        for part in groups(mask, "layer" if scope == "row" else scope):
            assert abs(int((~part).sum()) - Fraction(rate) * len(part)) <= Fraction(1, 2)
        assert all((before[key] | ~mask[key]).all() for key in mask)
        before = mask


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_rate_zero_is_a_bitwise_no_op(
    name: str, scope: str, encoder: Encoder, scored: Callable[[str], dict[str, Tensor]]
) -> None:
    mask = masks_from_scores(scored(name), "0", scope)
    assert mask.keys() == weights(encoder).keys()
    assert all(part.dtype == torch.bool and part.all() for part in mask.values())
    assert state_bytes(apply(copy.deepcopy(encoder), mask)) == state_bytes(encoder)


@pytest.mark.parametrize("scope", list(PATTERNS))
@pytest.mark.parametrize("name", NAMES)
def test_patterns_leave_half_of_every_few_neighbouring_inputs(
    name: str, scope: str, scored: Callable[[str], dict[str, Tensor]]
) -> None:
    size = PATTERNS[scope]
    for key, part in masks_from_scores(scored(name), "0.5", scope).items():
        outputs, inputs, height, width = part.shape
        kept, left_over = part.tolist(), []
        for o in range(outputs):
            row = [kept[o][i][y][x] for y in range(height) for x in range(width) for i in range(inputs)]
            whole = len(row) - len(row) % size
            for start in range(0, whole, size):
                assert sum(row[start : start + size]) == size // 2, (key, o, start)
            left_over += row[whole:]
        assert abs(sum(left_over) - Fraction(len(left_over), 2)) <= Fraction(1, 2), key


@pytest.mark.parametrize("scope", list(PATTERNS))
@pytest.mark.parametrize("name", NAMES)
def test_patterns_reach_no_other_rate(name: str, scope: str, scored: Callable[[str], dict[str, Tensor]]) -> None:
    for rate in ("0.3", "0.9"):
        with pytest.raises(PrunemarkError) as caught:
            masks_from_scores(scored(name), rate, scope)
        assert str(caught.value) == f"rate {rate} cannot be met: {scope} reaches 0 and 0.5, nothing between"


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_only_convolutions_and_linear_layers_are_pruned(
    name: str, scope: str, encoder: Encoder, scored: Callable[[str], dict[str, Tensor]]
) -> None:
    rate = "0.5" if scope in PATTERNS else "0.9"
    first, mask = (masks_from_scores(scored(name), rate, scope) for _ in range(2))
    assert all(torch.equal(first[key], mask[key]) for key in mask)
    pruned, before = apply(copy.deepcopy(encoder), mask), encoder.state_dict()
    owners = {key for key, part in encoder.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    assert {key.removesuffix(".weight") for key in mask} == owners
    assert encoder.backbone.bn1.weight.all()
    for key, tensor in pruned.state_dict().items():
        if key in mask:
            assert torch.equal(tensor == 0, ~mask[key] | (before[key] == 0)), key
            assert tensor[mask[key]].numpy().tobytes() == before[key][mask[key]].numpy().tobytes(), key
        else:
            assert tensor.numpy().tobytes() == before[key].numpy().tobytes(), key


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_an_encoder_with_channels_last_in_memory_is_pruned_too(
    name: str,
    scope: str,
    score: Callable[..., dict[str, Tensor]],
    new_encoder: Callable[..., Encoder],
    new_batches: Callable[..., Batches],
) -> None:
    encoder = new_encoder(8, 8)
    assert not encoder.backbone.layer1[0].conv1.weight.is_contiguous()
    found = score(name, encoder, new_batches(encoder, count=2, size=2))
    plain = {key: part.contiguous() for key, part in found.items()}
    mask, expected = (masks_from_scores(part, "0.5", scope) for part in (found, plain))
    assert all(torch.equal(mask[key], expected[key]) for key in expected)
    zeros = sum(int((w == 0).sum()) for w in weights(apply(encoder, mask)).values())
    assert zeros == sum(int((~part).sum()) for part in mask.values())
