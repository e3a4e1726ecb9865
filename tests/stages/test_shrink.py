"""The stage: a smaller encoder and the mask of what it lost, twice the same, also after rounds and recovery."""

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
from torch import Tensor, nn

from prunemark import registry
from prunemark.disk.files import read_json, sha256_file
from prunemark.disk.tensors import read_encoder
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, features, state, state_bytes, weights
from prunemark.model.randomness import generator
from prunemark.pruning.channel_groups import shrink as remove_channels
from prunemark.pruning.channels import keep_channels
from prunemark.pruning.mask import Mask, decode, entropy_bytes
from prunemark.pruning.pruning_schedule import Schedule
from prunemark.pruning.scopes import CHANNEL_SCOPES
from prunemark.receipts import code_identity
from prunemark.receipts.recorder import Recorder
from prunemark.stages.pruned_encoder import read_pruned
from prunemark.stages.pruning_run import Subject, recalibrate
from prunemark.stages.shrink import shrink
from prunemark.stages.verdict import export

STRUCTURED = registry.names("structured")
WRITTEN = ("encoder.safetensors", "mask.pmk", "sparsity.json")
BATCH_NORM, FINE_TUNE = Schedule(1, "batch-norm"), Schedule(2, "fine-tune", 1, 0.05)


@pytest.fixture(autouse=True)
def here(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chain)


def run(method: str, rate: str, scope: str = "global", schedule: Schedule = ONE_SHOT, seed: int = 0) -> Path:
    return prune_at("structured", shrink, method, rate, scope, schedule, seed)


def mask_of(out: Path) -> Mask:
    return decode((out / "mask.pmk").read_bytes(), "mask").mask


def images() -> Tensor:
    return torch.randint(0, 256, (9, 16, 16, 3), dtype=torch.uint8, generator=generator("test images"))


def assert_near(found: Encoder, expected: Encoder) -> None:
    torch.testing.assert_close(features(found, images()), features(expected, images()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
@pytest.mark.parametrize("method", ["l1-filter", "random", "taylor"])
def test_what_is_written(method: str, scope: str) -> None:
    out = run(method, "0.6", scope)
    assert sorted(path.name for path in out.iterdir()) == sorted([*WRITTEN, "receipt.json"])
    receipt = read_json(out / "receipt.json")
    inputs = (DATA / "images.safetensors", DATA / "dataset.json", DATA / "receipt.json")
    inputs += (ENCODER / "receipt.json", ENCODER / "objective.safetensors")
    inputs += (MARKED / "receipt.json", MARKED / "encoder.safetensors")
    assert receipt["inputs"] == {path.as_posix(): sha256_file(path) for path in inputs}
    assert receipt["outputs"] == {f"{out}/{name}": sha256_file(out / name) for name in WRITTEN}
    assert {key: receipt["parameters"][key] for key in ("method", "scope", "rate", "rounds", "recovery")} == {
        "method": method,
        "scope": scope,
        "rate": "0.6",
        "rounds": 1,
        "recovery": "none",
    }
    container = decode((out / "mask.pmk").read_bytes(), "mask")
    assert container.encoder_sha256 == sha256_file(MARKED / "encoder.safetensors")
    described = read_json(out / "sparsity.json")
    assert described["requested"] == "0.6"
    assert described["removed"] == sum(int((~part).sum()) for part in container.mask.values())
    assert described["mask_entropy_bytes"] == entropy_bytes(container.mask)


@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
def test_channels_are_counted_by_group(scope: str) -> None:
    out = run("l2-filter", "0.6", scope)
    channels, small = read_json(out / "sparsity.json")["channels"], read_encoder(out / "encoder.safetensors")
    assert channels["total"] == 148
    assert channels["achieved"] == channels["removed"] / 148
    assert len(channels["groups"]) == 11
    for name, group in channels["groups"].items():
        assert small.get_submodule(name).out_channels == group["total"] - group["removed"] > 0
        assert scope != "layer" or abs(group["removed"] - 0.6 * group["total"]) <= 0.5
    for what in ("total", "removed"):
        assert channels[what] == sum(group[what] for group in channels["groups"].values())
    assert scope == "layer" or abs(channels["removed"] - 0.6 * 148) <= 1.5


@pytest.mark.parametrize("method", STRUCTURED)
def test_the_smaller_encoder_is_the_marked_one_without_what_the_mask_removes(method: str) -> None:
    out = run(method, "0.5")
    original, pruned, mask = read_pruned(MARKED, None).held, read_pruned(MARKED, out), mask_of(out)
    assert pruned.mask is not None
    assert state_bytes(pruned.served) == state_bytes(read_encoder(out / "encoder.safetensors"))
    for name, tensor in state(pruned.held).items():
        before = state(original)[name]
        assert torch.equal(tensor, torch.where(mask[name], before, 0) if name in mask else before), name
    assert_near(pruned.served, pruned.held)
    assert len(state_bytes(pruned.served)) < len(state_bytes(original))


@pytest.mark.parametrize("method", STRUCTURED)
def test_twice_the_same_bytes(method: str) -> None:
    written = []
    for ambient in (1, 2):
        torch.manual_seed(ambient)
        out = run(method, "0.5")
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]


def test_rate_zero_is_the_marked_encoder() -> None:
    out = run("l1-filter", "0")
    original, pruned = read_pruned(MARKED, None).held, read_pruned(MARKED, out)
    assert read_json(out / "sparsity.json")["channels"]["removed"] == 0
    for one in (pruned.served, pruned.held):
        assert state_bytes(one) == state_bytes(original)
        assert torch.equal(features(one, images()), features(original, images()))


@pytest.mark.parametrize("method", ["bn-scale", "random", "taylor"])
def test_what_separate_runs_remove_is_nested(method: str) -> None:
    masks = [mask_of(run(method, rate)) for rate in ("0.1", "0.5", "0.9")]
    for loose, tight in zip(masks, masks[1:], strict=False):
        assert all((loose[name] | ~tight[name]).all() for name in loose)
        assert any((loose[name] & ~tight[name]).any() for name in loose)


def test_only_what_draws_follows_the_seed() -> None:
    for method, follows in (("random", True), ("taylor", True), ("fpgm", False), ("bn-scale", False)):
        found = [mask_of(run(method, "0.5", seed=seed)) for seed in (0, 1)]
        assert any(not torch.equal(found[0][name], found[1][name]) for name in found[0]) == follows, method


@pytest.mark.parametrize("schedule", [BATCH_NORM, FINE_TUNE], ids=["batch-norm", "fine-tune"])
def test_recovery_happens_and_is_all_that_moves(schedule: Schedule) -> None:
    out = run("l1-filter", "0.5", schedule=schedule)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    pruned, mask, original = read_pruned(MARKED, out), mask_of(out), state(read_pruned(MARKED, None).held)
    masked = {name: torch.where(mask[name], part, 0) if name in mask else part for name, part in original.items()}
    moved = {name for name, part in state(pruned.held).items() if not torch.equal(part, masked[name])}
    statistics = {name for name in original if name.endswith(("running_mean", "running_var"))}
    assert moved == (statistics if schedule is BATCH_NORM else set(original) - {"mean", "std"})
    assert all(weight[mask[name]].all() for name, weight in weights(pruned.held).items())
    assert_near(pruned.served, pruned.held)
    assert sorted(before) == sorted([*WRITTEN, "receipt.json"])
    torch.manual_seed(9)
    run("l1-filter", "0.5", schedule=schedule)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("schedule", [BATCH_NORM, FINE_TUNE], ids=["batch-norm", "fine-tune"])
def test_what_is_removed_stays_removed(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the encoder that recovered, before its channels go: it is as masked as ever, and computes the same."""
    seen: list[Encoder] = []

    def watched(encoder: Encoder, *selection: object) -> Encoder:
        seen.append(encoder)
        return remove_channels(encoder, *selection)  # type: ignore[arg-type]

    monkeypatch.setattr("prunemark.stages.shrink.shrunk", watched)
    out = run("l1-filter", "0.5", schedule=schedule)
    (recovered,), mask = seen, mask_of(out)
    for name, weight in weights(recovered).items():
        assert not weight[~mask[name]].detach().view(torch.int32).any(), name
    assert_near(read_pruned(MARKED, out).served, recovered)
    assert_near(read_pruned(MARKED, out).held, recovered)


def test_recalibrated_statistics_are_those_of_the_smaller_encoder() -> None:
    """By hand: every normalisation's mean over batches, taken from the smaller encoder itself."""
    out = run("l1-filter", "0.5", schedule=BATCH_NORM)
    asked = request("l1-filter", {}, "0.5", "global", BATCH_NORM, 0)
    subject = Subject(asked, Recorder("shrink", Path("none"), {}))
    small = read_encoder(out / "encoder.safetensors")
    expected = state(small)
    for norm in small.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
    recalibrate(small, subject.batches, subject.draws("recovery"))
    for name, part in state(small).items():
        torch.testing.assert_close(part, expected[name], rtol=1e-3, atol=1e-4, msg=lambda text, n=name: f"{n} {text}")


def test_rounds_look_at_what_is_left_and_remove_no_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random scores are the same in every round; were they others, what went in one would come back in the next."""
    selections = []

    def seen(found: list[object], scores: dict[str, Tensor], rate: str, scope: str) -> dict[str, Tensor]:
        turned = {
            name: torch.where(part.isinf(), part, (-1) ** len(selections) * part) for name, part in scores.items()
        }
        selections.append(keep_channels(found, turned, rate, scope))  # type: ignore[arg-type]
        return {name: part.clone() for name, part in selections[-1].items()}

    monkeypatch.setattr("prunemark.stages.shrink.keep_channels", seen)
    out = run("random", "0.8", schedule=Schedule(4))
    assert len(selections) == 4
    for before, after in zip(selections, selections[1:], strict=False):
        assert all((before[name] | ~after[name]).all() for name in before)
    left = sum(int(part.sum()) for part in selections[-1].values())
    assert left == 148 - read_json(out / "sparsity.json")["channels"]["removed"] == round(148 * 0.2)


def test_the_command_in_the_receipt_does_the_same_and_its_code_is_the_closure() -> None:
    out = run("fpgm", "0.3", "isomorphic", BATCH_NORM)
    before = {name: (out / name).read_bytes() for name in WRITTEN}
    words = shlex.split(read_json(out / "receipt.json")["command"])
    for name in before:
        (out / name).unlink()
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, env=os.environ | {"PATH": scripts}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name: (out / name).read_bytes() for name in before} == before
    receipt = read_json(out / "receipt.json")
    assert words[:2] == ["prunemark", "shrink"]
    assert shlex.split(receipt["command"]) == words
    assert sorted(receipt["code"]) == list(code_identity.files("shrink", (*USED, ("structured", "fpgm"))))


def test_an_encoder_and_a_mask_of_other_channels_are_refused() -> None:
    out, other = run("l1-filter", "0.5"), run("l1-filter", "0.7")
    (out / "mask.pmk").write_bytes((other / "mask.pmk").read_bytes())
    with pytest.raises(PrunemarkError) as caught:
        read_pruned(MARKED, out)
    assert str(caught.value) == f"{out}: encoder.safetensors has not the channels that mask.pmk leaves"


def test_a_folder_that_nothing_pruned_is_refused() -> None:
    with pytest.raises(PrunemarkError) as caught:
        read_pruned(MARKED, MARKED)
    assert str(caught.value) == f"{MARKED}: neither a pruning nor an alteration of {MARKED}, its receipt says"


def test_an_exported_encoder_has_all_channels_and_zeros_for_those_that_went(tmp_path: Path) -> None:
    out = run("l1-filter", "0.5")
    export(MARKED, out, tmp_path / "whole.safetensors")
    found, mask = read_encoder(tmp_path / "whole.safetensors"), mask_of(out)
    assert found.spec == read_encoder(MARKED / "encoder.safetensors").spec
    assert all((weight[~mask[name]] == 0).all() for name, weight in weights(found).items())
    assert_near(found, read_encoder(out / "encoder.safetensors"))
    with pytest.raises(PrunemarkError, match=r"^--out: .* is not allowed: a new file in a folder that is there$"):
        export(MARKED, out, tmp_path / "whole.safetensors")


def test_failures_are_one_line_and_leave_no_receipt() -> None:
    out = run("l1-filter", "0.5")
    for rate, scope, recovery, message in (
        ("0.9", "layer", "none", "rate 0.9 cannot be met: it would empty a layer; reachable: 0 to 0.75"),
        ("0.95", "global", "none", "rate 0.95 cannot be met: it would empty a layer; reachable: 0 to 0.9256"),
        ("-0.5", "global", "none", "rate: '-0.5' is not allowed: a number of at least 0 and below 1"),
        ("0.5", "row", "none", "scope: 'row' is not allowed: global, layer, isomorphic"),
        ("0.5", "layer", "rest", "recovery: 'rest' is not allowed: one of none, batch-norm, fine-tune"),
    ):
        with pytest.raises(PrunemarkError) as caught:
            shrink(replace(request("l1-filter", {}, rate, scope, Schedule(1, recovery), 0), out=out))
        assert str(caught.value) == message
        assert not (out / "receipt.json").exists()
    with pytest.raises(PrunemarkError, match=r"^absent/receipt\.json: no such file$"):
        shrink(replace(request("l1-filter", {}, "0.5", "global", ONE_SHOT, 0), marked=Path("absent")))
