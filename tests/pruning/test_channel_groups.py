"""Channels that go together, against the wiring of residual networks written out by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Architecture, Encoder, state_bytes
from prunemark.pruning.channel_groups import groups
from prunemark.pruning.channels import Group, ranked_together

Wiring = dict[tuple[str, ...], tuple[int, set[str]]]
NAMES = registry.names("encoders")
# Blocks per layer and convolutions per block (He et al. 2016, table 1).
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
CONVOLUTIONS = {"resnet18": 2, "resnet34": 2, "resnet50": 3}

# By the convolutions that write the channels: how many there are, in widths, and who reads them.
RESNET18: Wiring = {
    ("conv1", "layer1.0.conv2", "layer1.1.conv2"): (
        1,
        {"layer1.0.conv1", "layer1.1.conv1", "layer2.0.conv1", "layer2.0.downsample.0"},
    ),
    ("layer1.0.conv1",): (1, {"layer1.0.conv2"}),
    ("layer1.1.conv1",): (1, {"layer1.1.conv2"}),
    ("layer2.0.conv1",): (2, {"layer2.0.conv2"}),
    ("layer2.0.conv2", "layer2.0.downsample.0", "layer2.1.conv2"): (
        2,
        {"layer2.1.conv1", "layer3.0.conv1", "layer3.0.downsample.0"},
    ),
    ("layer2.1.conv1",): (2, {"layer2.1.conv2"}),
    ("layer3.0.conv1",): (4, {"layer3.0.conv2"}),
    ("layer3.0.conv2", "layer3.0.downsample.0", "layer3.1.conv2"): (
        4,
        {"layer3.1.conv1", "layer4.0.conv1", "layer4.0.downsample.0"},
    ),
    ("layer3.1.conv1",): (4, {"layer3.1.conv2"}),
    ("layer4.0.conv1",): (8, {"layer4.0.conv2"}),
    ("layer4.1.conv1",): (8, {"layer4.1.conv2"}),
}


def insides(layer: int, depth: int, count: int) -> Wiring:
    """What one convolution of a block writes and the next alone reads."""
    return {
        (f"layer{layer}.{block}.conv{i}",): (2 ** (layer - 1), {f"layer{layer}.{block}.conv{i + 1}"})
        for block in range(depth)
        for i in range(1, count)
    }


def stream(layer: int, depth: int, count: int) -> tuple[list[str], set[str]]:
    """Who writes and who reads the sums behind the blocks of a layer, its first shortcut and the next layer included."""
    writers = [f"layer{layer}.{block}.conv{count}" for block in range(depth)]
    if layer > 1 or count == 3:
        writers.insert(1, f"layer{layer}.0.downsample.0")
    readers = {f"layer{layer}.{block}.conv1" for block in range(1, depth)}
    return writers, readers | {f"layer{layer + 1}.0.conv1", f"layer{layer + 1}.0.downsample.0"}


def wiring(name: str) -> Wiring:
    depths, count = DEPTHS[name], CONVOLUTIONS[name]
    found: Wiring = {}
    for layer, depth in enumerate(depths, 1):
        found |= insides(layer, depth, count)
    for layer in (1, 2, 3):  # that of layer 4 is the features
        writers, readers = stream(layer, depths[layer - 1], count)
        width = 2 ** (layer - 1) * (4 if count == 3 else 1)
        if layer == 1 and count == 2:  # the first block adds the stem itself
            writers, readers = ["conv1", *writers], readers | {"layer1.0.conv1"}
        found[tuple(writers)] = (width, readers)
    if count == 3:
        found["conv1",] = (1, {"layer1.0.conv1", "layer1.0.downsample.0"})
    return found


def norm_of(conv: str) -> str:
    return f"{conv[:-1]}1" if conv.endswith("downsample.0") else conv.replace("conv", "bn")


def traced(name: str, width: int, size: int = 16) -> tuple[Encoder, list[Group]]:
    encoder = Encoder(Architecture(name, width, size)).eval()
    return encoder, groups(encoder)


def test_the_rule_gives_the_resnet18_that_is_written_out() -> None:
    assert wiring("resnet18") == RESNET18


@pytest.mark.parametrize(("width", "size"), [(4, 16), (8, 16), (5, 65)])
@pytest.mark.parametrize("name", NAMES)
def test_groups_are_the_wiring(name: str, width: int, size: int) -> None:
    encoder, found = traced(name, width, size)
    expected = wiring(name)
    prefix = "backbone."
    assert {group.writers for group in found} == {tuple(prefix + n for n in names) for names in expected}
    for group in found:
        names = tuple(writer.removeprefix(prefix) for writer in group.writers)
        assert group.name == group.writers[0]
        assert group.size == expected[names][0] * width
        assert set(group.readers) == {prefix + reader for reader in expected[names][1]}
        assert len(set(group.readers)) == len(group.readers)
        assert sorted(group.norms) == sorted(prefix + norm_of(writer) for writer in names)
        assert all(encoder.get_submodule(writer).out_channels == group.size for writer in group.writers)
        assert all(encoder.get_submodule(reader).in_channels == group.size for reader in group.readers)


@pytest.mark.parametrize("name", NAMES)
def test_every_channel_but_pixels_and_features_is_in_one_group(name: str) -> None:
    encoder, found = traced(name, 4)
    convs = [n for n, module in encoder.named_modules() if isinstance(module, nn.Conv2d)]
    written = [writer for group in found for writer in group.writers]
    read = [reader for group in found for reader in group.readers]
    assert len(written) == len(set(written))
    assert len(read) == len(set(read))
    last = {f"backbone.layer4.{block}.conv{CONVOLUTIONS[name]}" for block in range(DEPTHS[name][3])}
    makes_features = last | {"backbone.layer4.0.downsample.0"}
    assert set(written) == set(convs) - makes_features
    reads_features = {f"backbone.layer4.{block}.conv1" for block in range(1, DEPTHS[name][3])}
    assert set(read) == set(convs) - reads_features - {"backbone.conv1"}
    order = [place for group in found for place, n in enumerate(convs) if n == group.name]
    assert order == sorted(order)


@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize("name", NAMES)
def test_the_sizes_that_the_architecture_states_are_the_traced_ones(name: str, width: int) -> None:
    _, found = traced(name, width)
    sets = ranked_together(found, "isomorphic")
    assert all(group.size % width == 0 for group in found)
    sizes = sorted(sorted(group.size // width for group in part) for part in sets)
    stated = registry.load("encoders", name).CHANNEL_GROUPS
    assert sizes == sorted(sorted(part) for part in stated)
    assert registry.constants("encoders", name)["CHANNEL_GROUPS"] == stated


@pytest.mark.parametrize("name", NAMES)
def test_groups_of_one_structure(name: str) -> None:
    """Insides of blocks are alike; streams are alike where as many blocks write them in the same way."""
    _, found = traced(name, 4)
    sets = {frozenset(group.name for group in part) for part in ranked_together(found, "isomorphic")}
    streams = {f"backbone.layer{layer}.0.conv{CONVOLUTIONS[name]}" for layer in (2, 3)} | {"backbone.conv1"}
    streams |= {"backbone.layer1.0.conv3"} if name == "resnet50" else set()
    insides = frozenset(group.name for group in found) - streams
    expected = {insides, *(frozenset([n]) for n in streams)}
    if name == "resnet18":
        alike = frozenset(["backbone.layer2.0.conv2", "backbone.layer3.0.conv2"])
        expected = {insides, alike, frozenset(["backbone.conv1"])}
    assert sets == expected


def test_looking_leaves_no_trace() -> None:
    encoder, first = traced("resnet18", 4)
    copied = copy.deepcopy(encoder)
    encoder.backbone.bn1.requires_grad_(False)
    steps = [t.clone() for n, t in encoder.state_dict().items() if n.endswith("num_batches_tracked")]
    torch.manual_seed(3)
    ambient = torch.get_rng_state()
    assert groups(encoder) == first
    assert torch.equal(torch.get_rng_state(), ambient)
    assert state_bytes(encoder) == state_bytes(copied)
    assert steps == [t for n, t in encoder.state_dict().items() if n.endswith("num_batches_tracked")]
    assert [n for n, p in encoder.named_parameters() if not p.requires_grad] == [
        "backbone.bn1.weight",
        "backbone.bn1.bias",
    ]
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert not any(module._forward_hooks or module.training for module in encoder.modules())


def test_channels_that_are_not_wired_one_to_one_are_refused() -> None:
    encoder = Encoder(Architecture("resnet18", 4, 16)).eval()
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(576, 5)
    encoder.backbone = nn.Sequential(*layers)
    with pytest.raises(PrunemarkError) as caught:
        groups(encoder)
    assert str(caught.value).endswith(": its channels are not wired one to one; they cannot be removed")
