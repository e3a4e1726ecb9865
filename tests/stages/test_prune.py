"""The stage: a mask of one encoder's bytes, twice the same, nested across rates, and what it achieved."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_chain import DATA, ENCODER, MARKED, ONE_SHOT, USED, prune_at, request

from prunemark import registry
from prunemark.disk.files import read_json, sha256_file
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import state, weights
from prunemark.pruning.mask import decode, entropy_bytes
from prunemark.pruning.pruning_schedule import Schedule
from prunemark.receipts import code_identity
from prunemark.stages.prune import prune
from prunemark.stages.pruned_encoder import read_pruned

PRUNERS = registry.names("pruners")


@pytest.fixture(autouse=True)
def here(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chain)


def run(pruner: str, rate: str, scope: str = "global", schedule: Schedule = ONE_SHOT, seed: int = 0) -> Path:
    return prune_at("pruners", prune, pruner, rate, scope, schedule, seed)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("pruner", ["magnitude", "random", "snip"])
def test_what_is_written(pruner: str, scope: str) -> None:
    out = run(pruner, "0.7", scope)
    assert sorted(path.name for path in out.iterdir()) == ["mask.pmk", "receipt.json", "sparsity.json"]
    receipt = read_json(out / "receipt.json")
    inputs = (DATA / "images.safetensors", DATA / "dataset.json", DATA / "receipt.json")
    inputs += (ENCODER / "receipt.json", ENCODER / "objective.safetensors")
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


@pytest.mark.parametrize("pruner", ["magnitude", "random"])
def test_the_pruned_encoder_is_the_marked_one_with_zeros(pruner: str) -> None:
    original, pruned = read_pruned(MARKED, None).held, read_pruned(MARKED, run(pruner, "0.9")).served
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


def test_only_what_draws_follows_the_seed() -> None:
    for pruner, follows in (("random", True), ("snip", True), ("magnitude", False), ("synflow", False)):
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
    assert sorted(receipt["code"]) == list(code_identity.files("prune", (*USED, ("pruners", "magnitude"))))


def test_failures_are_one_line_and_leave_no_receipt() -> None:
    out = run("magnitude", "0.5")
    for rate, scope, recovery, message in (
        ("1.5", "global", "none", "rate: '1.5' is not allowed: a number of at least 0 and below 1"),
        ("half", "global", "none", "rate: 'half' is not allowed: a number of at least 0 and below 1"),
        ("0.9", "2:4", "none", "rate 0.9 cannot be met: 2:4 reaches 0 and 0.5, nothing between"),
        ("0.5", "locl", "none", "scope: 'locl' is not allowed: global, layer, row, 2:4, 4:8"),
        ("0.5", "layer", "rest", "recovery: 'rest' is not allowed: one of none, batch-norm, fine-tune"),
    ):
        with pytest.raises(PrunemarkError) as caught:
            prune(replace(request("magnitude", {}, rate, scope, Schedule(1, recovery), 0), out=out))
        assert str(caught.value) == message
        assert not (out / "receipt.json").exists()
    with pytest.raises(PrunemarkError, match=r"^absent/receipt\.json: no such file$"):
        prune(replace(request("magnitude", {}, "0.5", "global", ONE_SHOT, 0), marked=Path("absent")))
