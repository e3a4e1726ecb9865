"""Training: the same seed gives the same bits, and so does a run that stopped and went on."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from torch import Tensor

from prunemark import registry
from prunemark.disk.tensors import read_tensors, write_tensors
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Architecture, state_bytes
from prunemark.model.hardware import precision
from prunemark.model.randomness import generator
from prunemark.model.training import Recipe, Trainer, initialise

SPEC = Architecture("resnet18", 4, 16)
EPOCHS = 3


def recipe(objective: str = "simclr", **changes: Any) -> Recipe:
    known = Recipe(
        objective=objective,
        set=registry.complete("objectives", objective, {}),
        epochs=EPOCHS,
        batch_size=16,
        optimizer="sgd",
        learning_rate=0.1,
        warmup_epochs=1,
        momentum=0.9,
        weight_decay=5e-4,
        seed=0,
    )
    return replace(known, **changes)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (40, 16, 16, 3), dtype=torch.uint8, generator=generator("test images"))


def start(how: Recipe) -> Trainer:
    return Trainer(initialise(SPEC, [0.5] * 3, [0.25] * 3, how.seed), how, "cpu")


def run(trainer: Trainer, images: Tensor) -> list[float]:
    epochs = range(trainer.epoch, trainer.recipe.epochs)
    return [trainer.run_epoch(images, lambda batches: batches)["loss"] for _ in epochs]


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("objective", registry.names("objectives"))
def test_the_same_seed_gives_the_same_bits_and_another_does_not(objective: str, images: Tensor) -> None:
    ended = []
    for ambient, seed in ((1, 0), (2, 0), (1, 1)):
        torch.manual_seed(ambient)
        trainer = start(recipe(objective, seed=seed))
        losses = run(trainer, images)
        assert all(0 < loss < 100 for loss in losses)
        ended.append((losses, trainer.tensors()))
    assert ended[0][0] == ended[1][0]
    assert equal(ended[0][1], ended[1][1])
    assert ended[0][0] != ended[2][0]
    assert not equal(ended[0][1], ended[2][1])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
@pytest.mark.parametrize("objective", registry.names("objectives"))
def test_stopping_after_any_epoch_changes_no_bit(
    objective: str, optimizer: str, momentum: float, images: Tensor, tmp_path: Path
) -> None:
    how = recipe(objective, optimizer=optimizer, momentum=momentum)
    whole = start(how)
    losses = []
    for epoch in range(EPOCHS):
        write_tensors(tmp_path / f"{epoch}", whole.tensors())
        losses.append(whole.run_epoch(images, lambda batches: batches)["loss"])
    for epoch in range(EPOCHS):
        resumed = start(replace(how, seed=99))
        resumed.restore(read_tensors(tmp_path / f"{epoch}")[0], epoch)
        assert run(resumed, images) == losses[epoch:]
        assert equal(resumed.tensors(), whole.tensors())
        assert state_bytes(resumed.encoder) == state_bytes(whole.encoder)


def test_training_moves_every_parameter_and_lowers_the_loss(images: Tensor) -> None:
    """On images of one colour each, which can be told apart; the loss of an epoch of 32 images is noisy."""
    trainer = start(recipe(epochs=12, warmup_epochs=0))
    before = copy.deepcopy(dict(trainer.encoder.named_parameters()))
    losses = run(trainer, images[:, :1, :1].expand_as(images).contiguous())
    assert mean(losses[-6:]) < mean(losses[:3])
    for name, parameter in trainer.encoder.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    assert torch.equal(trainer.encoder.mean, torch.full((3,), 0.5))


def test_an_epoch_visits_each_image_at_most_once_in_whole_batches(images: Tensor) -> None:
    trainer = start(recipe(epochs=1, warmup_epochs=0))
    seen: list[Tensor] = []
    draw = trainer.two_views

    def remember(batch: Tensor, source: torch.Generator) -> Tensor:
        seen.append(batch)
        return draw(batch, source)

    trainer.two_views = remember
    metrics = trainer.run_epoch(images, lambda batches: batches)
    assert [len(batch) for batch in seen] == [16, 16]
    assert len(torch.cat(seen).flatten(1).unique(dim=0)) == 32
    # The second of two steps of a cosine without warm-up.
    assert metrics["learning_rate"] == pytest.approx(0.1 * 0.5)
    assert metrics["images_per_second"] > 0


def test_fewer_images_than_a_batch_are_one_batch(images: Tensor) -> None:
    trainer = start(recipe(batch_size=64))
    batches: list[Tensor] = []
    trainer.run_epoch(images, lambda given: batches.extend(given) or batches)  # type: ignore[func-returns-value]
    assert [len(batch) for batch in batches] == [40]


def test_a_loss_that_is_not_finite_stops_training(images: Tensor) -> None:
    trainer = start(recipe(learning_rate=1e20, warmup_epochs=0))
    with pytest.raises(PrunemarkError) as caught:
        run(trainer, images)
    # The second of six steps of a cosine without warm-up: 1e20 * (1 + cos(pi / 6)) / 2.
    assert str(caught.value) == (
        "loss is nan, it must be finite: epoch 1, step 2 of 2, learning rate 9.33013e+19; a smaller learning_rate may help"
    )


def test_the_untrained_encoder_is_a_function_of_its_seed() -> None:
    first, again, other = (initialise(SPEC, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6], seed) for seed in (5, 5, 6))
    assert state_bytes(first) == state_bytes(again)
    assert state_bytes(first) != state_bytes(other)
    assert first.mean.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert first.std.tolist() == pytest.approx([0.4, 0.5, 0.6])


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ("flags : fpu avx2 fma", torch.float32),
        ("flags : fpu avx512f avx512_bf16", torch.bfloat16),
        ("flags : amx_bf16 amx_tile", torch.bfloat16),
        ("Features : fp asimd bf16", torch.bfloat16),
        (None, torch.float32),
    ],
)
def test_a_processor_without_bfloat16_trains_in_float32(
    facts: str | None, expected: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if facts:
        (tmp_path / "cpuinfo").write_text(facts)
    monkeypatch.setattr("prunemark.model.hardware.CPU_FACTS", tmp_path / "cpuinfo")
    assert precision("cpu") == expected
