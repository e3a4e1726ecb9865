"""Training speed beside lightly's own SimCLR pieces: images per second, one run, the same threads, alternating.

Four variants, all ResNet-18 with the stem for small images, two views of 256 images of 32x32x3 per step, SGD with
momentum, projection to 128 values:

``lightly``       lightly's SimCLR example as it stands: SimCLRTransform(input_size=32) on PIL images, a DataLoader with
                  two persistent workers, SimCLRProjectionHead, NTXentLoss, each view through the model by itself, fp32
``lightly bf16``  the same, the forward pass under bf16 autocast; left out where the processor would emulate bf16
``prunemark``     `prunemark.model.training.Trainer.run_epoch`, as the stage ``train`` calls it, in its own precision
``model step``    the same encoder, objective and optimizer as prunemark, on views that are ready: what remains if
                  data and augmentation were free

Every round runs one epoch of a few steps of each variant, in this order; an epoch is timed from asking for its first
batch to its last step, so the loader's work is inside. What is compared are medians over rounds. lightly's default
transform also blurs (the paper does not on CIFAR-10), and its two forward passes normalise batches per view.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from prunemark import registry
from prunemark.methods.datasets._torchvision import torchvision
from prunemark.model.encoder import Architecture
from prunemark.model.hardware import precision
from prunemark.model.randomness import draw_parameters, generator
from prunemark.model.training import Recipe, Trainer, initialise
from prunemark.receipts.recorder import cpu_model

torchvision()  # before lightly, which imports it

from lightly.loss import NTXentLoss  # noqa: E402
from lightly.models.modules import SimCLRProjectionHead  # noqa: E402
from lightly.transforms import SimCLRTransform  # noqa: E402
from PIL import Image  # noqa: E402

BATCH, SIDE, WORKERS, RATE = 256, 32, 2, 0.06
# Steps of one timed epoch by width: a round takes a few seconds at width 16 and most of a minute at width 64.
STEPS = {16: 6, 32: 4, 64: 2}

# One timed epoch: it returns images per second.
Variant = Callable[[], float]


class PilImages(Dataset[tuple[Any, int]]):
    """Images uint8 (N, H, W, 3) as torchvision's CIFAR10 hands them out: a PIL image through a transform, a label."""

    def __init__(self, images: Tensor) -> None:
        self.images, self.transform = images.numpy(), SimCLRTransform(input_size=SIDE)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[index])), 0


def lightly(width: int, images: Tensor, bf16: bool) -> Variant:
    """lightly's example with its own DataLoader workers, which live as long as the variant."""
    backbone = draw_parameters(registry.load("encoders", "resnet18").backbone(width, SIDE), generator("bench", width))
    model = nn.Sequential(backbone, SimCLRProjectionHead(backbone.features, backbone.features, 128))
    loader = DataLoader(
        PilImages(images), batch_size=BATCH, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True
    )
    criterion, optimizer = NTXentLoss(), torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)

    def epoch() -> float:
        started, steps = time.perf_counter(), 0
        for (first, second), _ in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = criterion(model(first), model(second))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
        return steps * BATCH / (time.perf_counter() - started)

    return epoch


def new_trainer(width: int) -> Trainer:
    recipe = Recipe(
        objective="simclr",
        set={"temperature": 0.5, "projection_dim": 128},
        epochs=1000,
        batch_size=BATCH,
        optimizer="sgd",
        learning_rate=RATE,
        warmup_epochs=10,
        momentum=0.9,
        weight_decay=0.0005,
        seed=0,
    )
    return Trainer(initialise(Architecture("resnet18", width, SIDE), [0.5] * 3, [0.25] * 3, 0), recipe, "cpu")


def prunemark(width: int, images: Tensor) -> Variant:
    """The project's training as it is."""
    trainer = new_trainer(width)
    return lambda: trainer.run_epoch(images, lambda batches: batches)["images_per_second"]


def model_step(width: int, images: Tensor) -> Variant:
    """The same model, loss and optimizer on the same views at every step."""
    trainer, steps = new_trainer(width), len(images) // BATCH
    trainer.encoder.train()
    views = trainer.two_views(images[:BATCH], generator("bench", "views"))
    for group in trainer.optimizer.param_groups:
        group["lr"] = RATE / 100

    def epoch() -> float:
        started = time.perf_counter()
        for _ in range(steps):
            with torch.autocast("cpu", torch.bfloat16, enabled=trainer.precision == torch.bfloat16):
                loss = trainer.objective(trainer.encoder, views)
            trainer.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            trainer.optimizer.step()
        return steps * BATCH / (time.perf_counter() - started)

    return epoch


def has_bf16() -> bool:
    return precision("cpu") == torch.bfloat16


def measure(width: int, rounds: int, steps: int) -> dict[str, list[float]]:
    """Images per second of every variant in every round, after one round that does not count."""
    source = generator("bench", "images")
    images = torch.randint(0, 256, (steps * BATCH, SIDE, SIDE, 3), dtype=torch.uint8, generator=source)
    variants = {
        "lightly": lightly(width, images, bf16=False),
        **({"lightly bf16": lightly(width, images, bf16=True)} if has_bf16() else {}),
        "prunemark": prunemark(width, images),
        "model step": model_step(width, images),
    }
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, epoch in variants.items():
            speed = epoch()
            if number:
                speeds[name].append(speed)
    return speeds


def report(width: int, speeds: dict[str, list[float]], steps: int) -> None:
    """Print medians with their range, and prunemark's ratio to each other variant: of medians, and its range."""
    print(f"\nwidth {width}: {len(speeds['prunemark'])} rounds of {steps} steps")
    print(f"  {'variant':<14}{'images/s':>10}{'min':>9}{'max':>9}{'prunemark is':>15}{'min':>8}{'max':>8}")
    own = speeds["prunemark"]
    for name, found in speeds.items():
        line = f"  {name:<14}{statistics.median(found):>10.1f}{min(found):>9.1f}{max(found):>9.1f}"
        if name != "prunemark":
            paired = [a / b for a, b in zip(own, found, strict=True)]
            ratio = statistics.median(own) / statistics.median(found)
            line += f"{ratio:>14.2f}x{min(paired):>8.2f}{max(paired):>8.2f}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="training images/s beside lightly's SimCLR example")
    parser.add_argument("--width", type=int, nargs="+", default=[16, 64], help="widths of the ResNet-18")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="torch threads")
    parser.add_argument("--steps", type=int, help="steps of an epoch, instead of the width's own number")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    capability = torch.backends.cpu.get_cpu_capability()
    training = str(precision("cpu")).removeprefix("torch.")
    print(f"{cpu_model()}, {os.cpu_count()} cores, torch {torch.__version__} using {capability}, {options.threads} "
          f"threads, training in {training}")  # fmt: skip
    if hasattr(os, "getloadavg"):
        print(f"load average before: {os.getloadavg()[0]:.1f}; only a machine with nothing else to do is a fair one")
    for width in options.width:
        steps = options.steps or STEPS.get(width, 2)
        report(width, measure(width, options.rounds, steps), steps)


if __name__ == "__main__":
    main()
