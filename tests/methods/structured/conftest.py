"""Small encoders, their groups and batches, on which criteria of channels are tried."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.methods.objectives import simclr
from prunemark.model.encoder import Architecture, Encoder
from prunemark.model.randomness import draw_parameters, generator
from prunemark.pruning.batches import Batches
from prunemark.pruning.channel_groups import groups, shrink
from prunemark.pruning.channels import Group, Kept, channel_mask
from prunemark.pruning.mask import Mask, apply

Scores = dict[str, Tensor]
# Convolutions of a ResNet-18 that write the same channels, by the first of them (He et al. 2016, figure 3): shortcuts
# add what they write. Those of layer4 that write the features are no one's to remove.
WRITERS = {
    "conv1": ("conv1", "layer1.0.conv2", "layer1.1.conv2"),
    "layer1.0.conv1": ("layer1.0.conv1",),
    "layer1.1.conv1": ("layer1.1.conv1",),
    "layer2.0.conv1": ("layer2.0.conv1",),
    "layer2.0.conv2": ("layer2.0.conv2", "layer2.0.downsample.0", "layer2.1.conv2"),
    "layer2.1.conv1": ("layer2.1.conv1",),
    "layer3.0.conv1": ("layer3.0.conv1",),
    "layer3.0.conv2": ("layer3.0.conv2", "layer3.0.downsample.0", "layer3.1.conv2"),
    "layer3.1.conv1": ("layer3.1.conv1",),
    "layer4.0.conv1": ("layer4.0.conv1",),
    "layer4.1.conv1": ("layer4.1.conv1",),
}


def scatter(encoder: Encoder) -> Encoder:
    """Random weights, and batch normalisation as training leaves it: no scale of 1, no shift or mean of 0."""
    source = generator("test encoder", "channels")
    draw_parameters(encoder, source)
    encoder.mean.fill_(0.47)
    encoder.std.fill_(0.25)
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.1, generator=source)
                part.running_var.uniform_(0.5, 1.5, generator=source)
                part.weight.uniform_(0.2, 1.2, generator=source)
                part.weight[::2] *= -1
                part.bias.normal_(0, 0.2, generator=source)
    return encoder.eval()


@functools.cache
def drawn(architecture: str = "resnet18", width: int = 4, image_size: int = 16) -> tuple[Encoder, list[Group]]:
    """An encoder with its groups; shared, so that whoever changes it must copy it before."""
    encoder = scatter(Encoder(Architecture(architecture, width, image_size)))
    return encoder, groups(encoder)


class Recorder:
    """The training's two views; those drawn are kept."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, images: Tensor, source: torch.Generator) -> Tensor:
        self.seen.append(simclr.VIEWS(images, source))
        return self.seen[-1]


def draw_batches(encoder: Encoder, count: int = 12, size: int = 8) -> Batches:
    """Batches of random images; ``two_views.seen`` keeps the views that were drawn."""
    pixels = encoder.spec.image_size
    images = torch.randint(0, 256, (count, pixels, pixels, 3), dtype=torch.uint8, generator=generator("test images"))
    objective = simclr.build(encoder.features, generator("test objective"), temperature=0.5, projection_dim=6)
    return Batches(images, size, objective.eval(), Recorder())


def scores_of(
    name: str, encoder: Encoder, found: list[Group], batches: Batches | None, seed: int = 0, **given: object
) -> Scores:
    """The scores of a criterion, with its default settings or those given."""
    settings = registry.complete("structured", name, given)
    scores: Scores = registry.load("structured", name).scores(
        encoder, found, batches, generator("test", seed), **settings
    )
    return scores


@functools.cache
def scored_of(name: str, architecture: str = "resnet18") -> Scores:
    encoder, found = drawn(architecture)
    return scores_of(name, encoder, found, draw_batches(encoder))


def pair_of(encoder: Encoder, found: list[Group], kept: Kept) -> tuple[Encoder, Encoder, Mask]:
    """The same selection twice, as zeros and as channels that are not there, and its mask."""
    mask = channel_mask(encoder, found, kept)
    return apply(copy.deepcopy(encoder), mask), shrink(encoder, found, kept), mask


@pytest.fixture(scope="session")
def pair() -> Callable[..., tuple[Encoder, Encoder, Mask]]:
    return pair_of


@pytest.fixture(scope="session")
def images() -> Callable[..., Tensor]:
    def draw(count: int = 7, size: int = 16) -> Tensor:
        return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator("test pixels"))

    return draw


@pytest.fixture(scope="session")
def new() -> Callable[..., tuple[Encoder, list[Group]]]:
    return drawn


@pytest.fixture(scope="session")
def new_batches() -> Callable[..., Batches]:
    return draw_batches


@pytest.fixture(scope="session")
def score() -> Callable[..., Scores]:
    return scores_of


@pytest.fixture(scope="session")
def scored() -> Callable[..., Scores]:
    return scored_of


@pytest.fixture(scope="session")
def writers() -> dict[str, tuple[str, ...]]:
    """By the names of the groups in an encoder."""
    return {f"backbone.{first}": tuple(f"backbone.{name}" for name in names) for first, names in WRITERS.items()}
