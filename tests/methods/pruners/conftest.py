"""Small encoders and batches on which criteria are tried, and the contrastive loss written out in double precision."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.methods.objectives import simclr
from prunemark.model.encoder import Architecture, Encoder
from prunemark.model.randomness import draw_parameters, generator
from prunemark.pruning.batches import Batches

Scores = dict[str, Tensor]


def scatter(encoder: Encoder, name: str) -> Encoder:
    """Random weights, and batch normalisation as training leaves it: no scale of 1, no shift or mean of 0."""
    source = generator("test encoder", name)
    draw_parameters(encoder, source)
    encoder.mean.fill_(0.47)
    encoder.std.fill_(0.25)
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.1, generator=source)
                part.running_var.uniform_(0.5, 1.5, generator=source)
                part.weight.uniform_(0.5, 1.5, generator=source)
                part.weight[::2] *= -1
                part.bias.normal_(0, 0.2, generator=source)
    return encoder.eval()


def draw_encoder(width: int = 4, image_size: int = 16, architecture: str = "resnet18") -> Encoder:
    return scatter(Encoder(Architecture(architecture, width, image_size)), "residual")


def draw_stack(*layers: nn.Module, features: int, image_size: int = 6) -> Encoder:
    """An encoder whose backbone is these layers in a row, small enough for sums over everything in it."""
    encoder = Encoder(Architecture("resnet18", 2, image_size))
    encoder.backbone = nn.Sequential(*layers)
    encoder.features = features
    return scatter(encoder, "stack")


def draw_batches(encoder: Encoder, count: int = 12, size: int = 8) -> Batches:
    """Batches of random images; ``two_views.seen`` keeps the views that were drawn."""
    pixels = encoder.spec.image_size
    images = torch.randint(0, 256, (count, pixels, pixels, 3), dtype=torch.uint8, generator=generator("test images"))
    objective = simclr.build(encoder.features, generator("test objective"), temperature=0.5, projection_dim=6)
    norm = objective.projector[1]
    with torch.no_grad():
        norm.running_mean.normal_(0, 0.1, generator=generator("test mean"))
        norm.weight.uniform_(0.5, 1.5, generator=generator("test scale"))
    return Batches(images, size, objective.eval(), Recorder())


class Recorder:
    """The training's two views; those drawn are kept."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, images: Tensor, source: torch.Generator) -> Tensor:
        self.seen.append(simclr.VIEWS(images, source))
        return self.seen[-1]


def scores_of(name: str, encoder: Encoder, batches: Batches, seed: int = 0, **given: object) -> Scores:
    """The scores of a criterion, with its default settings or those given."""
    settings = registry.complete("pruners", name, given)
    found: Scores = registry.load("pruners", name).scores(encoder, batches, generator("test", seed), **settings)
    return found


def written_terms(projector: nn.Sequential, features: Tensor, tau: float = 0.5) -> Tensor:
    """NT-Xent of every view by loops (Chen et al. 2020, equation 1), of float64 features (2N, d)."""
    first, norm, _, last = (copy.deepcopy(part).double().requires_grad_(False) for part in projector)
    hidden = (features @ first.weight.T - norm.running_mean) / (norm.running_var + norm.eps) ** 0.5
    hidden = hidden * norm.weight + norm.bias
    z = torch.where(hidden > 0, hidden, 0.0) @ last.weight.T + last.bias
    count, terms = len(z), []

    def likeness(i: int, j: int) -> Tensor:
        return torch.exp(z[i] @ z[j] / ((z[i] @ z[i]) ** 0.5 * (z[j] @ z[j]) ** 0.5) / tau)

    for i in range(count):
        others = sum(likeness(i, k) for k in range(count) if k != i)
        terms.append(-torch.log(likeness(i, (i + count // 2) % count) / others))
    return torch.stack(terms)


def assert_near(found: Scores, expected: Scores) -> None:
    """Equal but for single precision, measured by the size of a layer's scores."""
    assert found.keys() == expected.keys()
    for name, part in expected.items():
        assert float(part.abs().max()) > 0, name
        atol = 1e-4 * float(part.abs().max())
        torch.testing.assert_close(found[name].double(), part, rtol=1e-3, atol=atol, msg=lambda text, n=name: n + text)


@pytest.fixture(scope="session")
def new_encoder() -> Callable[..., Encoder]:
    return draw_encoder


@pytest.fixture(scope="session")
def new_stack() -> Callable[..., Encoder]:
    return draw_stack


@pytest.fixture(scope="session")
def new_batches() -> Callable[..., Batches]:
    return draw_batches


@pytest.fixture(scope="session")
def stack() -> Encoder:
    """78 weights, so that each can be moved by itself."""
    layers = nn.Conv2d(3, 2, 3, stride=2), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    return draw_stack(*layers, features=3)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return draw_encoder()


@pytest.fixture(scope="session")
def batches(encoder: Encoder) -> Batches:
    return draw_batches(encoder)


@pytest.fixture(scope="session")
def score() -> Callable[..., Scores]:
    return scores_of


@pytest.fixture(scope="session")
def terms() -> Callable[..., Tensor]:
    return written_terms


@pytest.fixture(scope="session")
def near() -> Callable[[Scores, Scores], None]:
    return assert_near
