"""A tiny encoder, tiny images and a trainer that only nudges: what an alteration is given."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from prunemark import registry
from prunemark.marking.contract import Images
from prunemark.model.encoder import Architecture, Encoder, snap, to_float
from prunemark.model.randomness import draw_parameters, generator

Alter = Callable[..., Encoder]


@pytest.fixture(scope="session")
def images() -> Images:
    coarse = torch.randint(0, 256, (160, 4, 4, 3), dtype=torch.uint8, generator=generator("test images"))
    drawn = coarse.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return Images(drawn[:128], drawn[128:])


def settled(encoder: Encoder, images: Images) -> Encoder:
    """Batch statistics and affine parts that are not all alike, as after training."""
    source = generator("test settle")
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.uniform_(0.5, 0.9, generator=source)
                part.bias.normal_(0, 0.1, generator=source)
        encoder.train()
        for _ in range(20):
            encoder(to_float(images.train))
    return snap(encoder.eval())


def drawn(architecture: str, images: Images) -> Encoder:
    return settled(draw_parameters(Encoder(Architecture(architecture, 8, 16)), generator("test encoder")), images)


@pytest.fixture(scope="session")
def encoder(images: Images) -> Encoder:
    return drawn("resnet18", images)


@pytest.fixture(scope="session")
def bottleneck(images: Images) -> Encoder:
    return drawn("resnet50", images)


def nudge(encoder: Encoder, epochs: int, learning_rate: float) -> Encoder:
    """A trainer by contract that trains nothing: it shifts every weight by what it was asked for."""
    moved = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter += epochs * learning_rate
            parameter.grad = torch.ones_like(parameter)
    return moved


@pytest.fixture(scope="session")
def alter(images: Images) -> Alter:
    """``alter(name, encoder, strength, seed=0, **settings)`` with the method's defaults."""

    def run(name: str, encoder: Encoder, strength: float, seed: int = 0, **settings: object) -> Encoder:
        whole = registry.complete("alterations", name, settings)
        draws = generator("test alter", seed)
        altered: Encoder = registry.load("alterations", name).alter(encoder, strength, nudge, images, draws, **whole)
        return altered

    return run
