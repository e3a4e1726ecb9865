"""The stage: a killed training goes on and ends in the same bytes; its checkpoints serve no other training."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from prunemark.disk.files import read_json, sha256_file
from prunemark.disk.tensors import read_arrays, read_encoder, read_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import flags
from prunemark.methods.datasets import fashion_mnist_mini
from prunemark.metrics.knn import knn_predict
from prunemark.model.encoder import GRID, features, state
from prunemark.receipts import code_identity
from prunemark.requests.stage_requests import FetchRequest, TrainRequest
from prunemark.stages.fetch import fetch
from prunemark.stages.train import CHECKPOINTS, train

DATA, OUT = Path("data/raw/clothes"), Path("data/encoders/clothes/small/0")
EPOCHS = 8
REQUEST = TrainRequest(
    data=DATA,
    objective="simclr",
    set={"temperature": 0.5, "projection_dim": 128},
    architecture="resnet18",
    width=4,
    epochs=EPOCHS,
    batch_size=32,
    optimizer="sgd",
    learning_rate=0.1,
    warmup_epochs=1,
    momentum=0.9,
    weight_decay=5e-4,
    seed=0,
    threads=1,
    device="cpu",
    out=OUT,
)
ARTEFACTS = ("encoder.safetensors", "objective.safetensors", "training.json", "receipt.json")


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds data/raw/clothes: real images of four classes, 16 pixels wide."""
    folder = tmp_path_factory.mktemp("fetched")
    arrays = read_arrays(fashion_mnist_mini.EMBEDDED)
    for split, count in (("train", 40), ("test", 10)):
        for label in range(4):
            target = folder / "images" / split / f"class{label}"
            target.mkdir(parents=True)
            for i, image in enumerate(arrays[f"{split}_images"][arrays[f"{split}_labels"] == label][:count]):
                Image.fromarray(image).save(target / f"{i:02}.png")
    with contextlib.chdir(folder):
        settings = {"path": "images", "image_size": 16}
        fetch(FetchRequest(dataset="clothes", method="folder", set=settings, heldout=16, keypool=32, out=DATA))
    return folder


def command() -> list[str]:
    words = flags(REQUEST.parameters()).replace("'", "").split()
    return [str(Path(sys.executable).with_name("prunemark")), "train", *words]


def environment() -> dict[str, str]:
    """With an MLflow that is not there: training must do without."""
    return os.environ | {"MLFLOW_TRACKING_URI": "nowhere://", "PYTHONDONTWRITEBYTECODE": "1"}


def copy_data(fetched: Path, folder: Path) -> Path:
    shutil.copytree(fetched / "data/raw", folder / "data/raw")
    return folder


def checkpoints(folder: Path) -> list[Path]:
    return [path for path in (folder / CHECKPOINTS).rglob("*") if path.is_file()]


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / OUT / name).read_bytes() for name in ARTEFACTS}


@pytest.fixture(scope="module")
def undisturbed(fetched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_data(fetched, tmp_path_factory.mktemp("undisturbed"))
    done = subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^epoch (\d)/8: loss \d", done.stdout, re.M) == list("12345678")
    assert done.stderr.count("prunemark: MLflow left out: ") == len(done.stderr.splitlines()) == 1
    return folder


def test_what_is_written(undisturbed: Path) -> None:
    assert sorted(path.name for path in (undisturbed / OUT).iterdir()) == sorted(ARTEFACTS)
    assert checkpoints(undisturbed) == []
    receipt = read_json(undisturbed / OUT / "receipt.json")
    assert receipt["command"].split() == ["prunemark", *command()[1:]]
    assert receipt["seed"] == 0
    assert receipt["inputs"] == {
        f"{DATA}/{name}": sha256_file(undisturbed / DATA / name)
        for name in ("images.safetensors", "dataset.json", "receipt.json")
    }
    assert receipt["outputs"] == {f"{OUT}/{name}": sha256_file(undisturbed / OUT / name) for name in ARTEFACTS[:3]}
    assert read_json(undisturbed / "data/journal/encoders/clothes/small/0.json")["measured"]["device"] == "cpu"


def test_the_receipts_code_is_the_closure(undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(undisturbed)
    used = (("encoders", "resnet18"), ("objectives", "simclr"))
    assert sorted(read_json(OUT / "receipt.json")["code"]) == list(code_identity.files("train", used))


def test_the_encoder_lies_on_the_grid_and_normalises_by_its_data(undisturbed: Path) -> None:
    encoder = read_encoder(undisturbed / OUT / "encoder.safetensors")
    for name, tensor in state(encoder).items():
        scaled = tensor.double() * GRID
        assert torch.equal(scaled, scaled.round()), name
    facts = read_json(undisturbed / DATA / "dataset.json")
    assert encoder.mean.tolist() == pytest.approx(facts["mean"], abs=2**-24)
    assert encoder.std.tolist() == pytest.approx(facts["std"], abs=2**-24)


def test_the_history_is_one_entry_per_epoch_without_times(undisturbed: Path) -> None:
    history = read_json(undisturbed / OUT / "training.json")["epochs"]
    assert [sorted(entry) for entry in history] == [["learning_rate", "loss"]] * EPOCHS
    assert history[0]["learning_rate"] == 0.1
    rates = [entry["learning_rate"] for entry in history]
    assert rates == sorted(rates, reverse=True)
    # The last accuracy is that of the encoder before it was put on the grid: that may move one image of 16.
    tensors, _ = read_tensors(undisturbed / DATA / "images.safetensors")
    encoder = read_encoder(undisturbed / OUT / "encoder.safetensors")
    bank, queries = (tensors["train_images"][tensors[f"index_{split}"]] for split in ("train", "heldout"))
    labels = {split: tensors["train_labels"][tensors[f"index_{split}"]] for split in ("train", "heldout")}
    predicted = knn_predict(features(encoder, bank), labels["train"], features(encoder, queries), 4)
    right = float((predicted == labels["heldout"]).float().mean())
    watched = read_json(undisturbed / "data/journal/encoders/clothes/small/0.json")["measured"]["heldout_knn_accuracy"]
    assert len(watched) == EPOCHS
    assert watched[-1] == pytest.approx(right, abs=1 / 16 + 1e-6)


def test_a_killed_training_goes_on_to_the_same_bytes(undisturbed: Path, fetched: Path, tmp_path: Path) -> None:
    folder = copy_data(fetched, tmp_path)
    process = subprocess.Popen(
        command(), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.startswith("epoch 2/"):
                process.send_signal(signal.SIGKILL)
                break
    assert process.wait() == -signal.SIGKILL
    assert not (folder / OUT / "receipt.json").exists()
    assert "last.json" in {path.name for path in checkpoints(folder)}

    done = subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    heard = re.findall(r"^epoch (\d)/8", done.stdout, re.M)
    assert heard in (list("2345678"), list("345678"), list("45678"))
    assert contents(folder) == contents(undisturbed)
    assert checkpoints(folder) == []


def run(
    folder: Path, listen: Callable[[int, dict[str, float]], None] = lambda epoch, metrics: None, **how: Any
) -> None:
    with contextlib.chdir(folder):
        train(replace(REQUEST, epochs=2, **how), listen)


def stop(epoch: int, metrics: dict[str, float]) -> None:
    if epoch == 2:
        raise KeyboardInterrupt


def weights_of(folder: Path) -> bytes:
    return (folder / OUT / "encoder.safetensors").read_bytes()


def test_a_checkpoint_serves_only_the_training_that_wrote_it(fetched: Path, tmp_path: Path) -> None:
    fresh, reused = (copy_data(fetched, tmp_path / name) for name in ("fresh", "reused"))
    with pytest.raises(KeyboardInterrupt):
        run(reused, stop)
    assert checkpoints(reused)
    heard: list[int] = []
    run(reused, lambda epoch, metrics: heard.append(epoch), learning_rate=0.2)
    run(fresh, learning_rate=0.2)
    assert heard == [1, 2]
    assert weights_of(reused) == weights_of(fresh)
    heard.clear()
    run(reused, lambda epoch, metrics: heard.append(epoch))
    assert heard == [2]
    assert weights_of(reused) != weights_of(fresh)
    assert checkpoints(reused) == []


def test_another_seed_is_another_encoder_and_the_same_seed_the_same(fetched: Path, tmp_path: Path) -> None:
    folder = copy_data(fetched, tmp_path)
    found = []
    for ambient, seed in ((1, 0), (2, 0), (1, 1)):
        torch.manual_seed(ambient)
        np.random.seed(ambient)
        run(folder, seed=seed)
        found.append(weights_of(folder))
    assert found[0] == found[1] != found[2]


def test_failures_are_one_line_and_leave_no_receipt(fetched: Path, tmp_path: Path) -> None:
    folder = copy_data(fetched, tmp_path)
    run(folder)
    with pytest.raises(PrunemarkError, match=r"^loss is nan, it must be finite: epoch 1, step 2 of 3, "):
        run(folder, learning_rate=1e20)
    assert not (folder / OUT / "receipt.json").exists()
    run(folder)
    with pytest.raises(PrunemarkError, match=r"^optimizer: 'adam' is not allowed: lars or sgd$"):
        run(folder, optimizer="adam")
    assert not (folder / OUT / "receipt.json").exists()
    shutil.rmtree(folder / DATA)
    with pytest.raises(PrunemarkError, match=r"^data/raw/clothes/images\.safetensors: no such file$"):
        run(folder)
