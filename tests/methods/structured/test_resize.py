"""An encoder built with fewer channels is what removing them leaves, and looking for its parts leaves no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Architecture, Encoder, blank, features, norms_behind, state, state_bytes, weights
from prunemark.pruning.channel_groups import shrink
from prunemark.pruning.channels import Group, keep_channels

ARCHITECTURES = registry.names("encoders")
Scored = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]


def norm_of(conv: str) -> str:
    return f"{conv[:-1]}1" if conv.endswith("downsample.0") else conv.replace("conv", "bn")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_convolution_of_a_residual_network_has_its_normalisation(architecture: str, new: New) -> None:
    encoder, _ = new(architecture)
    convs = [name for name, module in encoder.named_modules() if isinstance(module, nn.Conv2d)]
    found = norms_behind(encoder)
    assert found == {f"{name}.weight": encoder.get_submodule(norm_of(name)) for name in convs}


def test_what_is_not_right_behind_is_not_found(new: New) -> None:
    shared, _ = new()
    encoder = copy.deepcopy(shared)
    first, second, third = (nn.BatchNorm2d(4) for _ in range(3))
    layers = [
        nn.Conv2d(3, 4, 3),
        first,
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        second,
        nn.Conv2d(4, 4, 3),
        nn.Identity(),
        third,
    ]
    encoder.backbone = nn.Sequential(*layers, nn.Flatten()).eval()
    # An identity hands on the very tensor, so that the normalisation behind it is that of the convolution.
    assert norms_behind(encoder) == {"backbone.0.weight": first, "backbone.5.weight": third}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("look", [norms_behind, blank])
def test_looking_leaves_no_trace(look: Callable[[Encoder], object], training: bool, new: New) -> None:
    shared, _ = new()
    encoder = copy.deepcopy(shared).train(training)
    steps = [part.clone() for name, part in encoder.state_dict().items() if name.endswith("num_batches_tracked")]
    torch.manual_seed(3)
    ambient = torch.get_rng_state()
    look(encoder)
    assert torch.equal(torch.get_rng_state(), ambient)
    assert state_bytes(encoder) == state_bytes(shared)
    assert steps == [part for name, part in encoder.state_dict().items() if name.endswith("num_batches_tracked")]
    assert all(module.training == training for module in encoder.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module._forward_hooks for module in encoder.modules())


def test_black_pixels_give_the_features_of_a_black_image(new: New) -> None:
    encoder, _ = new()
    black = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    assert torch.equal(blank(encoder), features(encoder, black))
    assert not blank(encoder).requires_grad


@pytest.mark.parametrize(("width", "size"), [(4, 16), (8, 16), (4, 65)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_built_has_the_shapes_of_what_is_left(architecture: str, width: int, size: int, new: New) -> None:
    encoder, found = new(architecture, width, size)
    scores = {group.name: torch.arange(group.size, dtype=torch.float64) for group in found}
    small = shrink(encoder, found, keep_channels(found, scores, "0.6", "global"))
    built = Encoder(small.spec)
    assert {name: part.shape for name, part in built.state_dict().items()} == {
        name: part.shape for name, part in small.state_dict().items()
    }
    assert [str(module) for module in built.modules()] == [str(module) for module in small.modules()]
    assert built.features == small.features == encoder.features
    assert all(parameter.requires_grad for parameter in built.parameters())
    assert all(part.is_contiguous(memory_format=built.layout) for part in weights(built).values())
    assert built.layout == encoder.layout


def test_what_is_built_can_be_trained(scored: Scored, new: New) -> None:
    encoder, found = new()
    small = shrink(encoder, found, keep_channels(found, scored("random"), "0.7", "global"))
    built = Encoder(small.spec)
    built.load_state_dict(small.state_dict())
    built.train()(torch.rand(4, 3, 16, 16)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in built.parameters())
    assert all(torch.isfinite(part).all() for part in state(built).values())
    assert not torch.equal(built.backbone.bn1.running_mean, small.backbone.bn1.running_mean)


def test_a_specification_without_channels_says_nothing_of_them() -> None:
    facts = {"architecture": "resnet18", "width": 4, "image_size": 16}
    assert Architecture("resnet18", 4, 16).to_dict() == facts
    channels = {"backbone.layer1.0.conv1": [2, 4], "backbone.layer1.0.conv2": [4, 2]}
    assert Architecture("resnet18", 4, 16, channels).to_dict() == {**facts, "channels": channels}


def test_a_shortcut_of_one_channel_does_not_fit_a_block_of_four() -> None:
    channels = {"backbone.conv1": [1, 3], "backbone.layer1.0.conv1": [4, 1]}
    with pytest.raises(PrunemarkError, match=r"^channels: they do not fit each other \("):
        Encoder(Architecture("resnet18", 4, 16, channels))
