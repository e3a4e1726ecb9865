"""The stage: a mask of one encoder's bytes, twice the same, nested across rates, and what it achieved."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from prunemark import closure, methods
from prunemark.encoder import Architecture, Encoder, snap, state, weights
from prunemark.errors import PrunemarkError
from prunemark.files import read_json
from prunemark.mask import decode, entropy_bytes
from prunemark.randomness import draw_parameters, generator
from prunemark.record import Recorder, sha256_file
from prunemark.stages.fetch import fetch
from prunemark.stages.prune import prune, read_pruned
from prunemark.store import write_encoder

DATA, MARKED, OUT = Path("data/raw/a"), Path("data/marked/a/b/0/none/0"), Path("data/pruned/a/b/0/none/0")
PRUNERS = methods.names("pruners")


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset and an encoder as the earlier stages leave them."""
    folder = tmp_path_factory.mktemp("marked")
    with contextlib.chdir(folder):
        fetch("a", "fashion-mnist-mini", {}, 100, 50, DATA)
        recorder = Recorder("watermark", MARKED, {})
        encoder = draw_parameters(Encoder(Architecture("resnet18", 4, 28)), generator("test encoder"))
        write_encoder(MARKED / "encoder.safetensors", snap(encoder))
        recorder.wrote("encoder.safetensors")
        recorder.finish()
    return folder


@pytest.fixture(autouse=True)
def here(marked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(marked)


def run(pruner: str, rate: str, scope: str = "global", seed: int = 0) -> Path:
    out = OUT / pruner / rate
    prune(DATA, MARKED, pruner, methods.complete("pruners", pruner, {}), scope, rate, seed, 1, out)
    return out


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("pruner", PRUNERS)
def test_what_is_written(pruner: str, scope: str) -> None:
    out = run(pruner, "0.7", scope)
    assert sorted(path.name for path in out.iterdir()) == ["mask.pmk", "receipt.json", "sparsity.json"]
    receipt = read_json(out / "receipt.json")
    inputs = (DATA / "images.safetensors", DATA / "dataset.json", DATA / "receipt.json")
    inputs += (MARKED / "receipt.json", MARKED / "encoder.safetensors")
    assert receipt["inputs"] == {path.as_posix(): sha256_file(path) for path in inputs}
    assert receipt["outputs"] == {f"{out}/{name}": sha256_file(out / name) for name in ("mask.pmk", "sparsity.json")}
    assert receipt["parameters"]["rate"] == "0.7"
    container = decode((out / "mask.pmk").read_bytes(), "mask")
    assert container.encoder_sha256 == sha256_file(MARKED / "encoder.safetensors")
    described = read_json(out / "sparsity.json")
    assert described["requested"] == "0.7"
    assert abs(described["achieved"] - 0.7) < 1e-3
    assert described["removed"] == sum(int((~part).sum()) for part in container.mask.values())
    assert described["mask_entropy_bytes"] == entropy_bytes(container.mask)
    for name, layer in described["layers"].items():
        assert layer == {"total": container.mask[name].numel(), "removed": int((~container.mask[name]).sum())}
        assert scope == "global" or abs(layer["removed"] - 0.7 * layer["total"]) <= 0.5 + 1e-9


@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_pruned_encoder_is_the_marked_one_with_zeros(pruner: str) -> None:
    original, pruned = read_pruned(MARKED, None), read_pruned(MARKED, run(pruner, "0.9"))
    removed = 0
    for name, tensor in state(pruned).items():
        before = state(original)[name]
        if name in weights(original):
            kept = tensor.view(torch.int32) != 0
            removed += int((~kept).sum())
            assert torch.equal(tensor[kept].view(torch.int32), before[kept].view(torch.int32))
        else:
            assert torch.equal(tensor, before)
    total = sum(weight.numel() for weight in weights(original).values())
    assert removed / total == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_twice_the_same_bytes(pruner: str) -> None:
    written = []
    for ambient in (1, 2):
        torch.manual_seed(ambient)
        out = run(pruner, "0.5")
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_masks_of_separate_runs_are_nested(pruner: str) -> None:
    masks = [decode((run(pruner, rate) / "mask.pmk").read_bytes(), rate).mask for rate in ("0.1", "0.5", "0.9", "0.99")]
    for loose, tight in zip(masks, masks[1:], strict=False):
        assert all((loose[name] | ~tight[name]).all() for name in loose)


def test_only_random_pruning_follows_the_seed() -> None:
    for pruner, follows in (("random", True), ("magnitude", False)):
        found = [decode((run(pruner, "0.5", seed=seed) / "mask.pmk").read_bytes(), "mask").mask for seed in (0, 1)]
        assert any(not torch.equal(found[0][name], found[1][name]) for name in found[0]) == follows


def test_the_command_in_the_receipt_does_the_same_and_its_code_is_the_closure() -> None:
    out = run("magnitude", "0.3", "layer")
    before = {name: (out / name).read_bytes() for name in ("mask.pmk", "sparsity.json")}
    words = shlex.split(read_json(out / "receipt.json")["command"])
    for name in before:
        (out / name).unlink()
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, env=os.environ | {"PATH": scripts}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name: (out / name).read_bytes() for name in before} == before
    receipt = read_json(out / "receipt.json")
    assert shlex.split(receipt["command"]) == words
    assert sorted(receipt["code"]) == list(closure.files("prune", (("encoders", "resnet18"), ("pruners", "magnitude"))))


def test_failures_are_one_line_and_leave_no_receipt() -> None:
    out = run("magnitude", "0.5")
    for rate, scope, message in (
        ("1.5", "global", "rate: '1.5' is not allowed: a number of at least 0 and below 1"),
        ("half", "global", "rate: 'half' is not allowed: a number of at least 0 and below 1"),
        ("0.5", "locl", "scope: 'locl' is not allowed: global or layer"),
    ):
        with pytest.raises(PrunemarkError) as caught:
            prune(DATA, MARKED, "magnitude", {}, scope, rate, 0, 1, out)
        assert str(caught.value) == message
        assert not (out / "receipt.json").exists()
    with pytest.raises(PrunemarkError, match=r"^absent/receipt\.json: no such file$"):
        prune(DATA, Path("absent"), "magnitude", {}, "global", "0.5", 0, 1, out)
