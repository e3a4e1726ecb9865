"""Every scheme with its default settings on an encoder of the default architecture, trained on the embedded data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from prunemark import registry
from prunemark.disk.files import read_json
from prunemark.disk.tensors import read_encoder, read_tensors
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.suspect_views import seen
from prunemark.metrics.head import Head, fit_head
from prunemark.model.encoder import Encoder, features
from prunemark.model.randomness import experiment_key, generator
from prunemark.requests.stage_requests import FetchRequest, TrainRequest
from prunemark.stages.fetch import fetch
from prunemark.stages.split_data import Data
from prunemark.stages.train import train

pytestmark = pytest.mark.slow
WATERMARKS = [n for n in registry.names("watermarks") if registry.constants("watermarks", n)["KIND"] != "control"]
CHECKS = list(registry.names("checks"))
POINTS = {"ssl-wm": 2, "armssl": 2}
WRONG = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/raw, and data/encoders of seed 0 and of a null encoder."""
    root = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        raw = Path("data/raw/mini")
        size = {"image_size": 28}
        fetch(FetchRequest(dataset="mini", method="fashion-mnist-mini", set=size, heldout=500, keypool=500, out=raw))
        for seed in (0, 1000):
            train(
                TrainRequest(
                    data=raw,
                    objective="simclr",
                    set={"temperature": 0.15, "projection_dim": 128},
                    architecture="resnet18",
                    width=16,
                    epochs=2,
                    batch_size=128,
                    optimizer="sgd",
                    learning_rate=0.24,
                    warmup_epochs=1,
                    momentum=0.9,
                    weight_decay=0.0005,
                    seed=seed,
                    threads=1,
                    device="cpu",
                    out=Path(f"data/encoders/mini/simclr/{seed}"),
                )
            )
    return root / "data"


@pytest.fixture(scope="module")
def data(folder: Path) -> Data:
    facts = read_json(folder / "raw/mini/dataset.json")
    tensors, _ = read_tensors(folder / "raw/mini/images.safetensors")
    return Data(tensors, facts["mean"], facts["std"], facts["classes"])


def trained(folder: Path, seed: int) -> Encoder:
    return read_encoder(folder / f"encoders/mini/simclr/{seed}/encoder.safetensors")


def head_of(encoder: Encoder, data: Data) -> Head:
    shown, labels = data.head_part(1000)
    return fit_head(features(encoder, shown), labels, data.classes)


def accuracy(encoder: Encoder, data: Data) -> float:
    predicted = head_of(encoder, data).predict(features(encoder, data.images("test")))
    return float((predicted == data.labels("test")).double().mean())


def made(kind: str, name: str, encoder: Encoder, data: Data) -> tuple[Encoder, Secret]:
    scheme, given = registry.load(kind, name), registry.complete(kind, name, {})
    images, key = Images(data.images("train"), data.images("keypool")), experiment_key(0, name, "real", 0)
    if kind == "checks":
        return encoder, scheme.register(
            encoder, head_of(encoder, data).logits, key, images, generator("real", name), **given
        )
    marked, secret = scheme.embed(encoder, key, images, generator("real", name), **given)
    return marked, secret


CASES = [("watermarks", name) for name in WATERMARKS] + [("checks", name) for name in CHECKS]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_right_key_passes_and_all_else_is_at_chance(kind: str, name: str, folder: Path, data: Data) -> None:
    scheme, clean, null = registry.load(kind, name), trained(folder, 0), trained(folder, 1000)
    marked, secret = made(kind, name, clean, data)

    def look(encoder: Encoder) -> Callable[[Secret], Reading]:
        head = head_of(encoder, data) if scheme.LEVEL == "LABELS" else None
        view = seen(scheme.LEVEL, encoder, head.predict if head else None)
        return lambda held: scheme.measure(view, held)

    here = look(marked)
    wrong = [scheme.impostor(secret, experiment_key(0, name, "wrong", i)) for i in range(WRONG)] if scheme.KEYED else []
    unmarked = [look(encoder)(secret).statistic for encoder in ([null, clean] if kind == "watermarks" else [null])]
    nulls = Nulls(unmarked, [here(held).statistic for held in wrong], [here(secret).statistic])
    limit = scheme.calibrate(nulls, secret).value
    assert here(secret).statistic >= limit
    assert max(nulls.unmarked) < limit
    assert sum(value >= limit for value in nulls.wrong_keys) <= 1
    if kind == "watermarks":
        assert accuracy(marked, data) >= accuracy(clean, data) - POINTS.get(name, 1) / 100
