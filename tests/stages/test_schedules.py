"""Rounds and recovery: what one round removed stays removed, and whatever moves after it, zeros do not."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import torch
from small_chain import MARKED, OUT, draw_norms, prune_at, request
from torch import nn

from prunemark.disk.files import read_json
from prunemark.disk.tensors import read_encoder, read_tensors, write_tensors
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, features, state, weights
from prunemark.pruning.mask import decode, masks_from_scores
from prunemark.pruning.pruning_schedule import Schedule, round_rates
from prunemark.receipts.recorder import Recorder
from prunemark.stages.prune import prune
from prunemark.stages.pruned_encoder import read_pruned
from prunemark.stages.pruning_run import Subject, recalibrate

SURVIVING = r"^recovered surviving: float\d+ \([\d, ]+\) is not allowed: \d+ finite float32 values$"
BATCH_NORM, FINE_TUNE = Schedule(1, "batch-norm"), Schedule(1, "fine-tune", 2, 0.05)


@pytest.fixture(autouse=True)
def here(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chain)


def run(pruner: str, rate: str, schedule: Schedule) -> Path:
    return prune_at("pruners", prune, pruner, rate, "global", schedule)


def mask_of(folder: Path) -> dict[str, torch.Tensor]:
    return decode((folder / "mask.pmk").read_bytes(), "mask").mask


@pytest.mark.parametrize("rounds", [1, 2, 3, 100])
@pytest.mark.parametrize("rate", ["0", "0.3", "0.95", "0.999"])
def test_every_round_leaves_the_same_share_of_what_was_left(rate: str, rounds: int) -> None:
    rates = [Decimal(text) for text in ("0", *round_rates(rate, rounds))]
    assert rates[-1] == Decimal(rate)
    factors = [float((1 - b) / (1 - a)) for a, b in zip(rates, rates[1:], strict=False)]
    assert factors == pytest.approx([float(1 - Decimal(rate)) ** (1 / rounds)] * rounds, rel=1e-8)


def test_rounds_change_the_mask_of_what_looks_at_what_is_left_and_no_other() -> None:
    for pruner, changes in (("synflow", True), ("magnitude", False)):
        once, often = (mask_of(run(pruner, "0.9", Schedule(rounds))) for rounds in (1, 5))
        assert any(not torch.equal(once[name], often[name]) for name in once) == changes
        assert sum(int(part.sum()) for part in once.values()) == sum(int(part.sum()) for part in often.values())


def test_what_a_round_removed_stays_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that turn around in every round would bring all of it back."""
    masks = []

    def seen(scores: dict[str, torch.Tensor], rate: str, scope: str) -> dict[str, torch.Tensor]:
        masks.append(masks_from_scores(scores, rate, scope))
        return masks[-1]

    monkeypatch.setattr("prunemark.stages.prune.masks.masks_from_scores", seen)
    run("random", "0.9", Schedule(4))
    assert len(masks) == 4
    for before, after in zip(masks, masks[1:], strict=False):
        assert all((before[name] | ~after[name]).all() for name in before)


def test_fine_tuning_holds_the_mask_bit_for_bit() -> None:
    out = run("magnitude", "0.9", FINE_TUNE)
    mask, tuned = mask_of(out), read_pruned(MARKED, out).served
    before = state(read_encoder(MARKED / "encoder.safetensors"))
    for name, weight in weights(tuned).items():
        assert (weight[~mask[name]].view(torch.int32) == 0).all(), name
        assert not torch.equal(weight[mask[name]], before[name][mask[name]]), name
    assert all(torch.equal(part, before[name]) for name, part in state(tuned).items() if name in ("mean", "std"))


def test_fine_tuning_lowers_the_loss_that_it_minimises() -> None:
    out = run("magnitude", "0.9", FINE_TUNE)
    subject = Subject(request("magnitude", {}, "0.9", "global", FINE_TUNE, 0), Recorder("prune", Path("none"), {}))
    tuned, masked = read_pruned(MARKED, out).served, read_pruned(MARKED, run("magnitude", "0.9", Schedule())).served
    losses = []
    for encoder in (masked, tuned):
        views = list(subject.batches.views(4, subject.draws("test")))
        with torch.no_grad():
            losses.append(sum(float(subject.batches.loss(encoder, part)) for part in views))
    assert losses[1] < losses[0]


def test_recalibration_moves_running_statistics_and_nothing_else() -> None:
    out = run("magnitude", "0.9", BATCH_NORM)
    recovered, masked = state(read_pruned(MARKED, out).served), state(read_pruned(MARKED, run_masked()).served)
    moved = {name for name, part in recovered.items() if not torch.equal(part, masked[name])}
    assert moved == {name for name in masked if name.endswith(("running_mean", "running_var"))}
    assert set(read_tensors(out / "recovered.safetensors")[0]) == {"running_mean", "running_var"}


def run_masked() -> Path:
    return run("magnitude", "0.9", Schedule())


def test_recalibrated_statistics_are_the_mean_over_batches() -> None:
    """By hand for the first normalisation: mean and unbiased variance of every batch, averaged."""
    subject = Subject(request("magnitude", {}, "0", "global", BATCH_NORM, 0), Recorder("prune", Path("none"), {}))
    encoder: Encoder = read_encoder(MARKED / "encoder.safetensors")
    draw_norms(encoder)
    first = next(module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d))
    means, variances = [], []
    count = len(subject.batches.images) // subject.batches.size
    for views in subject.batches.views(count, subject.draws("recovery")):
        normalised = (views - encoder.mean[:, None, None]) / encoder.std[:, None, None]
        made = encoder.backbone.conv1(normalised).transpose(0, 1).flatten(1)
        means.append(made.mean(dim=1))
        variances.append(made.var(dim=1))
    recalibrate(encoder, subject.batches, subject.draws("recovery"))
    assert torch.allclose(first.running_mean, torch.stack(means).mean(dim=0), atol=1e-5)
    assert torch.allclose(first.running_var, torch.stack(variances).mean(dim=0), rtol=1e-4)
    assert first.momentum == 0.1
    assert not encoder.training


@pytest.mark.parametrize("schedule", [BATCH_NORM, FINE_TUNE, Schedule(2, "fine-tune", 1, 0.05)], ids=str)
def test_twice_the_same_bytes(schedule: Schedule) -> None:
    written = []
    for ambient in (1, 2):
        torch.manual_seed(ambient)
        out = run("magnitude", "0.8", schedule)
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]
    assert sorted(written[0]) == ["mask.pmk", "receipt.json", "recovered.safetensors", "sparsity.json"]


@pytest.mark.parametrize("rate", ["0.1", "0.5", "0.9", "0.99"])
def test_what_is_stored_is_within_the_entropy_of_the_mask_and_the_surviving_values(rate: str) -> None:
    for schedule in (Schedule(), FINE_TUNE):
        out = run("magnitude", rate, schedule)
        found = read_json(out / "sparsity.json")
        allowed = 1.15 * found["mask_entropy_bytes"] + 4096
        if schedule.epochs:
            others = [part for name, part in state(read_pruned(MARKED, out).served).items() if name not in mask_of(out)]
            allowed += 4 * (found["total"] - found["removed"]) + sum(4 * part.numel() for part in others)
        stored = [path for path in out.iterdir() if path.name in ("mask.pmk", "recovered.safetensors")]
        assert sum(path.stat().st_size for path in stored) <= allowed


def test_recovered_values_that_do_not_fit_are_refused() -> None:
    out = run("magnitude", "0.5", FINE_TUNE)
    (out / "mask.pmk").write_bytes((run("random", "0.6", Schedule()) / "mask.pmk").read_bytes())
    with pytest.raises(PrunemarkError, match=SURVIVING):
        read_pruned(MARKED, out)


@pytest.mark.parametrize(
    "damage",
    [
        lambda part: part.double(),
        lambda part: part[None],
        lambda part: part[1:],
        lambda part: part.index_fill(0, torch.tensor([3]), float("nan")),
    ],
)
def test_recovered_values_of_another_kind_are_refused(damage: Callable[[torch.Tensor], torch.Tensor]) -> None:
    out = run("magnitude", "0.5", FINE_TUNE)
    values = read_tensors(out / "recovered.safetensors")[0]
    write_tensors(out / "recovered.safetensors", values | {"surviving": damage(values["surviving"])})
    with pytest.raises(PrunemarkError, match=SURVIVING):
        read_pruned(MARKED, out)


@pytest.mark.parametrize(
    ("schedule", "scope", "message"),
    [
        (Schedule(1, "rest"), "global", r"^recovery: 'rest' is not allowed: one of none, batch-norm, fine-tune$"),
        (Schedule(1, "fine-tune", 0, 0.1), "global", r"^epochs: 0 is not allowed: 1 or more with fine-tune, else 0$"),
        (Schedule(1, "none", 3), "global", r"^epochs: 3 is not allowed: 1 or more with fine-tune, else 0$"),
        (Schedule(1, "fine-tune", 1, math.nan), "global", r"^learning-rate: nan is not allowed: above 0 with"),
        (Schedule(1, "batch-norm", 0, 0.1), "global", r"^learning-rate: 0\.1 is not allowed: above 0 with"),
        (Schedule(2), "2:4", r"^rounds: 2 is not allowed: 1, since 2:4 has one rate$"),
    ],
)
def test_a_schedule_that_is_none_is_refused(schedule: Schedule, scope: str, message: str) -> None:
    asked = request("magnitude", {}, "0.5", scope, schedule, 0)
    with pytest.raises(PrunemarkError, match=message):
        prune(asked)
    assert not (asked.out / "receipt.json").exists()


def test_the_features_are_those_of_the_last_round() -> None:
    """What `read_pruned` puts together again is what the stage left, over many tensors: the stage's own encoder."""
    asked = request("magnitude", {}, "0.7", "global", FINE_TUNE, 0)
    subject = Subject(asked, Recorder("prune", OUT / "elsewhere", {}))

    def mask_at(encoder: Encoder, before: dict[str, torch.Tensor], rate: str) -> dict[str, torch.Tensor]:
        scores = {name: weight.detach().abs().double() for name, weight in weights(encoder).items()}
        return masks_from_scores(scores, rate, "global")

    left, _ = subject.pruned(mask_at)
    again = read_pruned(MARKED, run("magnitude", "0.7", FINE_TUNE)).served
    images = torch.randint(0, 256, (4, 16, 16, 3), dtype=torch.uint8)
    assert torch.equal(features(left, images), features(again, images))
