"""Small encoders and images on which watermarks are tried: seconds instead of minutes, same code paths."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import Tensor, nn

from prunemark import registry
from prunemark.disk.tensors import read_encoder, read_tensors, write_encoder, write_tensors
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.suspect_views import seen
from prunemark.metrics.head import Head, fit_head
from prunemark.model.encoder import BATCH, Architecture, Encoder, features, snap, weights
from prunemark.model.randomness import draw_parameters, generator

KEY = bytes(range(32))
# Under KEY the key image of AWEncoder lies where two classes of the tiny head meet, and labels show nothing.
KEYS = {"awencoder": bytes(32)}
# Half of the steps suffice on these images.
LEARNED = {"ssl-wm": {"steps": 150}, "armssl": {"steps": 150}, "sslguard": {"steps": 100},
           "awencoder-features": {"perturb": 50, "steps": 150}}  # fmt: skip


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
def images() -> Images:
    return Images(draw_images(256, 16), draw_images(128, 16, seed=1))


@pytest.fixture(scope="session")
def new_images() -> Callable[..., Tensor]:
    return draw_images


def kind_of(name: str) -> str:
    """The folder of a scheme."""
    return next(kind for kind in ("watermarks", "checks") if name in registry.names(kind))


@pytest.fixture(scope="session")
def head_of(images: Images) -> Callable[[Encoder], Head]:
    """The head of an encoder: it tells the dominant colour of an image. Fitted once."""
    fitted: dict[int, tuple[Encoder, Head]] = {}

    def get(encoder: Encoder) -> Head:
        if id(encoder) not in fitted:
            labels = images.train.float().mean(dim=(1, 2)).argmax(dim=1)
            fitted[id(encoder)] = (encoder, fit_head(features(encoder, images.train), labels, 3))
        return fitted[id(encoder)][1]

    return get


@pytest.fixture(scope="session")
def embed(images: Images, head_of: Callable[[Encoder], Head]) -> Callable[..., tuple[Encoder, Secret]]:
    """Embed a watermark, or register a check, under the fixed key and seed with default settings or those given."""

    def run(
        name: str, encoder: Encoder, key: bytes = KEY, pool: Images = images, **settings: object
    ) -> tuple[Encoder, Secret]:
        given, source = registry.complete(kind_of(name), name, settings), generator("test embed")
        scheme = registry.load(kind_of(name), name)
        if kind_of(name) == "checks":
            return encoder, scheme.register(encoder, head_of(encoder).logits, key, pool, source, **given)
        marked, secret = scheme.embed(encoder, key, pool, source, **given)
        return marked, secret

    return run


@pytest.fixture(scope="session")
def marks(
    encoder: Encoder, embed: Callable[..., tuple[Encoder, Secret]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Encoder, Secret]]:
    """Marked encoder and secret of a scheme; embedded once for all workers, never to be changed."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "marks"
    shared.mkdir(exist_ok=True)

    @functools.cache
    def get(name: str) -> tuple[Encoder, Secret]:
        kept, secret_file = (shared / f"{name}-{part}.safetensors" for part in ("encoder", "secret"))
        with FileLock(shared / f"{name}.lock"):
            if not secret_file.exists():
                marked, secret = embed(name, encoder, KEYS.get(name, KEY), **LEARNED.get(name, {}))
                write_encoder(kept, marked)
                write_tensors(secret_file, secret.tensors, secret.facts)
                return marked, secret
        tensors, facts = read_tensors(secret_file)
        return encoder if kind_of(name) == "checks" else read_encoder(kept), Secret(tensors, facts)

    return get


@pytest.fixture(scope="session")
def read(head_of: Callable[[Encoder], Head]) -> Callable[..., Reading]:
    """What a scheme reads from an encoder that it sees at its own level; labels through ``head``, or a head of its own
    where there is none."""

    def run(name: str, encoder: Encoder, secret: Secret, batch: int = BATCH, head: Head | None = None) -> Reading:
        scheme = registry.load(kind_of(name), name)
        classify = (head or head_of(encoder)).predict if scheme.LEVEL == "LABELS" else None
        reading: Reading = scheme.measure(seen(scheme.LEVEL, encoder, classify, batch), secret)
        return reading

    return run


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
