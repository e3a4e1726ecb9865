"""Small encoders and images on which watermarks are tried: seconds instead of minutes, same code paths."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunemark import methods
from prunemark.encoder import Architecture, Encoder, snap, weights
from prunemark.randomness import draw_parameters, generator
from prunemark.watermark import Nulls, Secret

KEY = bytes(range(32))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


def draw_encoder(name: str, width: int = 8, image_size: int = 16, architecture: str = "resnet18") -> Encoder:
    """An encoder with random weights and random BN statistics, on the grid, as training leaves it."""
    source = generator("test encoder", name)
    encoder = draw_parameters(Encoder(Architecture(architecture, width, image_size)), source)
    encoder.mean.fill_(0.47)
    encoder.std.fill_(0.25)
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.normal_(0, 0.1, generator=source)
                part.running_var.uniform_(0.5, 1.5, generator=source)
                part.weight.uniform_(0.5, 1.5, generator=source)
                part.bias.normal_(0, 0.1, generator=source)
    return snap(encoder.eval())


def draw_images(count: int, size: int, seed: int = 0) -> Tensor:
    """Smooth random colour images, uint8 (count, size, size, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return torch.from_numpy(coarse.repeat(size // 4, 1).repeat(size // 4, 2))


@pytest.fixture(scope="session")
def new_encoder() -> Callable[..., Encoder]:
    return draw_encoder


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return draw_encoder("the encoder")


@pytest.fixture(scope="session")
def other_encoder() -> Encoder:
    return draw_encoder("another encoder")


@pytest.fixture(scope="session")
def images() -> Tensor:
    return draw_images(256, 16)


@pytest.fixture(scope="session")
def new_images() -> Callable[..., Tensor]:
    return draw_images


@pytest.fixture(scope="session")
def embed(images: Tensor) -> Callable[..., tuple[Encoder, Secret]]:
    """Embed under the fixed key and seed with default settings, or under those given."""

    def run(
        name: str, encoder: Encoder, key: bytes = KEY, pool: Tensor = images, **settings: object
    ) -> tuple[Encoder, Secret]:
        given = methods.complete("watermarks", name, settings)
        return methods.load("watermarks", name).embed(encoder, key, pool, generator("test embed"), **given)

    return run


@pytest.fixture(scope="session")
def marks(encoder: Encoder, embed: Callable[..., tuple[Encoder, Secret]]) -> Callable[[str], tuple[Encoder, Secret]]:
    """Marked encoder and secret of a scheme; embedded once, never to be changed."""
    cache: dict[str, tuple[Encoder, Secret]] = {}

    def get(name: str) -> tuple[Encoder, Secret]:
        if name not in cache:
            cache[name] = embed(name, encoder)
        return cache[name]

    return get


@pytest.fixture(scope="session")
def no_nulls() -> Nulls:
    return Nulls([], [], [])


@pytest.fixture(scope="session")
def prune() -> Callable[..., Encoder]:
    """A copy with the given share of all prunable weights set to zero, the smallest ones or random ones."""

    def run(encoder: Encoder, rate: float, kind: str = "magnitude", seed: int = 0) -> Encoder:
        pruned, source = copy.deepcopy(encoder), generator("test pruning", seed)
        tensors = list(weights(pruned).values())
        scores = [torch.rand(w.shape, generator=source) if kind == "random" else w.detach().abs() for w in tensors]
        flat = torch.cat([score.flatten() for score in scores])
        cut = flat.sort().values[round(rate * len(flat)) - 1]
        with torch.no_grad():
            for weight, score in zip(tensors, scores, strict=True):
                weight.mul_(score > cut)
        return pruned

    return run
