"""Twenty keys on an encoder of the default architecture, trained on the embedded data (minutes)."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from prunemark import registry
from prunemark.disk.files import read_json
from prunemark.disk.tensors import read_encoder, read_tensors, write_encoder
from prunemark.marking.contract import Images, Secret
from prunemark.marking.suspect_views import seen
from prunemark.methods.pruners import magnitude, random
from prunemark.model.encoder import Encoder
from prunemark.model.randomness import experiment_key, generator
from prunemark.pruning.mask import apply, masks_from_scores
from prunemark.requests.stage_requests import FetchRequest, TrainRequest
from prunemark.stages.fetch import fetch
from prunemark.stages.split_data import Data
from prunemark.stages.train import train

KEYS = 20
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/raw and data/encoders of the default dataset and architecture, after three epochs."""
    root = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        raw, out = Path("data/raw/mini"), Path("data/encoders/mini/simclr/0")
        size = {"image_size": 28}
        fetch(FetchRequest(dataset="mini", method="fashion-mnist-mini", set=size, heldout=500, keypool=500, out=raw))
        train(
            TrainRequest(
                data=raw,
                objective="simclr",
                set={"temperature": 0.15, "projection_dim": 128},
                architecture="resnet18",
                width=16,
                epochs=3,
                batch_size=128,
                optimizer="sgd",
                learning_rate=0.24,
                warmup_epochs=1,
                momentum=0.9,
                weight_decay=0.0005,
                seed=0,
                threads=1,
                device="cpu",
                out=out,
            )
        )
    return root / "data"


@pytest.fixture(scope="module")
def pool(folder: Path) -> Images:
    facts = read_json(folder / "raw/mini/dataset.json")
    tensors, _ = read_tensors(folder / "raw/mini/images.safetensors")
    data = Data(tensors, facts["mean"], facts["std"], facts["classes"])
    return Images(data.images("train"), data.images("keypool"))


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    return folder / "encoders/mini/simclr/0/encoder.safetensors"


def marked(name: str, trained: Path, pool: Images, key: int) -> tuple[Encoder, Secret]:
    scheme, settings = registry.load("watermarks", name), registry.complete("watermarks", name, {})
    draw = generator("embed", name, 0, key)
    result: tuple[Encoder, Secret] = scheme.embed(
        read_encoder(trained), experiment_key(0, name, "embed", key), pool, draw, **settings
    )
    return result


def registered(name: str, trained: Path, pool: Images, key: int) -> tuple[Encoder, Secret]:
    scheme, settings, encoder = (
        registry.load("checks", name),
        registry.complete("checks", name, {}),
        read_encoder(trained),
    )
    draw, secret_key = generator("register", name, 0, key), experiment_key(0, name, "register", key)
    return encoder, scheme.register(encoder, None, secret_key, pool, draw, **settings)


def pruned(encoder: Encoder, rate: str, pruner: object = magnitude, seed: int = 0) -> Encoder:
    import copy

    scores = pruner.scores(encoder, None, generator("prune", seed))  # type: ignore[attr-defined]
    return apply(copy.deepcopy(encoder), masks_from_scores(scores, rate, "global"))


def test_reversible_gives_back_the_file_and_authenticates_only_what_is_intact(
    trained: Path, pool: Images, tmp_path: Path
) -> None:
    scheme, original = registry.load("watermarks", "reversible"), trained.read_bytes()
    for key in range(KEYS):
        encoder, secret = marked("reversible", trained, pool, key)
        write_encoder(tmp_path / "marked.safetensors", encoder)
        again = read_encoder(tmp_path / "marked.safetensors")
        assert (tmp_path / "marked.safetensors").read_bytes() != original
        write_encoder(tmp_path / "restored.safetensors", scheme.restore(again, secret))
        assert (tmp_path / "restored.safetensors").read_bytes() == original
        assert scheme.measure(again, secret).statistic == 1.0
        assert scheme.measure(pruned(again, "0.01"), secret).statistic == 0.0
        assert scheme.measure(pruned(again, "0.01", random), secret).statistic == 0.0


def test_sha256_authenticates_only_what_is_intact(trained: Path, pool: Images) -> None:
    scheme = registry.load("checks", "sha256")
    encoder, secret = registered("sha256", trained, pool, 0)
    assert scheme.measure(encoder, secret).statistic == 1.0
    assert scheme.measure(pruned(encoder, "0.01"), secret).statistic == 0.0


def test_feature_digest_has_no_false_alarm_in_200_benign_re_evaluations(
    trained: Path, pool: Images, tmp_path: Path
) -> None:
    scheme = registry.load("checks", "feature-digest")
    alarms, evaluations, threads = 0, 0, torch.get_num_threads()
    try:
        for key in range(KEYS):
            encoder, secret = registered("feature-digest", trained, pool, key)
            write_encoder(tmp_path / "again.safetensors", encoder)
            copies = [encoder, read_encoder(trained), read_encoder(tmp_path / "again.safetensors")]
            for suspect, batch, count in itertools.product(copies, (1, 5, 250), (1, 2)):
                torch.set_num_threads(count)
                view = seen("FEATURES", suspect, batch=batch)
                alarms += scheme.measure(view, secret).statistic < len(secret.tensors["images"])
                evaluations += 1
    finally:
        torch.set_num_threads(threads)
    assert evaluations >= 200
    assert alarms == 0


def test_uchida_verifies_up_to_half_pruned_under_every_right_key(trained: Path, pool: Images) -> None:
    scheme = registry.load("watermarks", "uchida")
    for key in range(KEYS):
        encoder, secret = marked("uchida", trained, pool, key)
        for rate, pruner in itertools.product(("0", "0.01", "0.1", "0.3", "0.5"), (magnitude, random)):
            assert scheme.measure(pruned(encoder, rate, pruner, key), secret).statistic >= 51, (key, rate)


def test_100_000_wrong_keys_follow_the_binomial_law(trained: Path, pool: Images) -> None:
    from scipy.stats import binom, chisquare

    scheme = registry.load("watermarks", "uchida")
    encoder, secret = marked("uchida", trained, pool, 0)
    counts = np.zeros(65, dtype=np.int64)
    for i in range(100_000):
        wrong = scheme.impostor(secret, experiment_key(0, "uchida", "law", i))
        counts[int(scheme.measure(encoder, wrong).statistic)] += 1
    expected = binom.pmf(np.arange(65), 64, 0.5) * counts.sum()
    inner = expected >= 5
    observed = np.append(counts[inner], counts[~inner].sum())
    assert chisquare(observed, np.append(expected[inner], expected[~inner].sum())).pvalue > 0.001
    assert counts[51:].sum() <= 2
