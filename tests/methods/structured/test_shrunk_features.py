"""The smaller encoder computes what the masked one does: from memory, from a file, in any width and layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from prunemark import registry
from prunemark.disk.tensors import read_encoder, write_encoder
from prunemark.model.encoder import Encoder, features, state_bytes
from prunemark.model.randomness import generator
from prunemark.pruning.channel_groups import groups, shrink
from prunemark.pruning.channels import Group, expand, keep_channels
from prunemark.pruning.mask import Mask
from prunemark.pruning.scopes import CHANNEL_SCOPES

ARCHITECTURES = registry.names("encoders")
RATES = ("0", "0.1", "0.3", "0.5", "0.7")
Scored = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]
Pair = Callable[..., tuple[Encoder, Encoder, Mask]]
Images = Callable[..., Tensor]


def assert_near(found: Tensor, expected: Tensor) -> None:
    assert float(expected.std()) > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_features_are_those_of_the_masked_encoder(
    architecture: str, scope: str, scored: Scored, new: New, images: Images, pair: Pair, tmp_path: Path
) -> None:
    encoder, found = new(architecture)
    for rate in RATES:
        masked, small, _ = pair(encoder, found, keep_channels(found, scored("random", architecture), rate, scope))
        expected = features(masked, images())
        for batch in (50, 3):
            assert_near(features(small, images(), batch), expected)
        write_encoder(tmp_path / "small", small)
        read = read_encoder(tmp_path / "small")
        assert read.spec == small.spec
        assert state_bytes(read) == state_bytes(small)
        assert torch.equal(features(read, images()), features(small, images()))
        if rate == "0":
            assert state_bytes(small) == state_bytes(encoder)
            assert torch.equal(features(small, images()), features(encoder, images()))
        else:
            assert len(state_bytes(small)) < len(state_bytes(encoder))


@pytest.mark.parametrize(("width", "size"), [(8, 16), (5, 28), (4, 65), (8, 96)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_widths_stems_and_layouts_in_memory(
    architecture: str, width: int, size: int, new: New, images: Images, pair: Pair
) -> None:
    encoder, found = new(architecture, width, size)
    kept = {group.name: torch.rand(group.size, generator=generator("test kept", group.name)) > 0.4 for group in found}
    for part in kept.values():
        part[-1] = True
    masked, small, mask = pair(encoder, found, kept)
    assert_near(features(small, images(3, size)), features(masked, images(3, size)))
    assert state_bytes(expand(small, encoder, mask)) == state_bytes(masked)


def test_a_smaller_encoder_can_lose_more(scored: Scored, new: New, images: Images, pair: Pair) -> None:
    """Its own groups are those of the larger one with fewer channels."""
    encoder, found = new()
    small = shrink(encoder, found, keep_channels(found, scored("random"), "0.5", "global"))
    left = groups(small)
    assert [(g.writers, g.norms, g.readers) for g in left] == [(g.writers, g.norms, g.readers) for g in found]
    first = {group.name: torch.arange(group.size) == 0 for group in left}
    masked, smallest, _ = pair(small, left, first)
    assert_near(features(smallest, images()), features(masked, images()))
    assert all(group.size == 1 for group in groups(smallest))
