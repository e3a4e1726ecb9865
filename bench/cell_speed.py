"""Where the seconds of one cell go, what its evaluation costs beside the bare forward pass, and what a head costs
beside lightly's linear evaluation. Run it in a built repository on a quiet machine; medians of five.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunemark.engine import forkserver
from prunemark.marking import suspect_views as access
from prunemark.methods.datasets._torchvision import torchvision
from prunemark.metrics.head import fit_head
from prunemark.metrics.intervals import paired_difference
from prunemark.model.encoder import BATCH, Encoder, to_float
from prunemark.model.hardware import precision
from prunemark.receipts.recorder import Recorder, cpu_model
from prunemark.requests.stage_requests import EvaluateRequest
from prunemark.stages import evaluate
from prunemark.stages import split_data as _data

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
PARTS = {"load": ("read_data", "read_pruned", "read_keys", "read_tensors", "read_arrays"), "head": ("fit_head",)}


def pruned_cell() -> tuple[list[str], dict[str, Any]]:
    """The command and the parameters of the first evaluated cell with a mask."""
    receipts = sorted((ROOT / "data/scores").rglob("receipt.json"))
    found = (json.loads(path.read_text()) for path in receipts)
    receipt = next(r for r in found if r["stage"] == "evaluate" and "pruned" in r["parameters"])
    return shlex.split(receipt["command"]), receipt["parameters"]


@contextlib.contextmanager
def built() -> Iterator[None]:
    """A copy of the built data as the working directory: what is timed may write there."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "data", Path(folder) / "data")
        with contextlib.chdir(folder):
            yield


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Clock:
    """Adds up the seconds of functions that are replaced by timed ones; of nested ones only the outermost counts."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.running = False

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.running:
                return function(*arguments, **named)
            self.running, started = True, time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.running = False
                self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - started

        return call


def split(parameters: dict[str, Any]) -> tuple[dict[str, float], list[Tensor], Encoder]:
    """Seconds of one evaluation by part, the images that went through the encoder, and the encoder."""
    clock, shown, encoders = Clock(), [], []
    plain = evaluate.features

    def forward(encoder: Encoder, images: Tensor, batch: int = BATCH) -> Tensor:
        shown.append(images)
        encoders.append(encoder)
        return plain(encoder, images, batch)

    with contextlib.ExitStack() as replaced:
        for part, names in PARTS.items():
            for name in names:
                replaced.callback(setattr, evaluate, name, getattr(evaluate, name))
                setattr(evaluate, name, clock.timed(part, getattr(evaluate, name)))
        for module in (evaluate, access):
            replaced.callback(setattr, module, "features", plain)
            module.features = clock.timed("forward", forward)  # type: ignore[attr-defined]
        whole = seconds(lambda: run_evaluate(parameters))
    return {**clock.spent, "statistics and files": whole - sum(clock.spent.values())}, shown, encoders[0]


def run_evaluate(parameters: dict[str, Any]) -> None:
    evaluate.evaluate(
        EvaluateRequest(
            data=Path(parameters["data"]),
            marked=Path(parameters["marked"]),
            check=[Path(folder) for folder in parameters["check"]],
            pruned=Path(parameters["pruned"]),
            original=Path(parameters["original"]),
            head_images=parameters["head-images"],
            threads=parameters["threads"],
            out=Path(parameters["out"]),
        )
    )


def bare_forward(encoder: Encoder, shown: list[Tensor], kind: torch.dtype) -> float:
    """The encoder on the same images, and nothing else."""

    def forward() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
            for images in shown:
                for part in images.split(BATCH):
                    encoder(to_float(part))

    return seconds(forward)


def cell() -> None:
    command, parameters = pruned_cell()
    with built():
        torch.set_num_threads(parameters["threads"])
        split(parameters)
        rounds = [split(parameters) for _ in range(ROUNDS)]
        parts = {name: statistics.median(found[name] for found, _, _ in rounds) for name in rounds[0][0]}
        _, shown, encoder = rounds[0]
        whole = statistics.median(seconds(lambda: subprocess.run(command, check=True)) for _ in range(ROUNDS))
        with forkserver.started() as environment:
            forked = [seconds(lambda: subprocess.run(command, check=True, env=os.environ | environment))
                      for _ in range(ROUNDS + 1)]  # fmt: skip
        in_build = statistics.median(forked[1:])  # the first waits for the fork server's imports
        kinds = [torch.float32, torch.bfloat16]
        bare = {kind: statistics.median(bare_forward(encoder, shown, kind) for _ in range(3)) for kind in kinds}
    print(f"one cell by hand: {whole:.2f} s, of which")
    print(f"  start-up {whole - sum(parts.values()):.2f} s")
    for name, took in parts.items():
        print(f"  {name} {took:.2f} s")
    print(f"the same cell in a build, where a fork server has imported PyTorch before: {in_build:.2f} s")
    for kind, took in bare.items():
        named = str(kind) if kind == torch.float32 else f"autocast to {kind}"
        native = "" if kind in (torch.float32, precision("cpu")) else ", emulated by this processor"
        print(f"bare forward pass over its {sum(map(len, shown)):,} images, {named}{native}: {took:.2f} s")
        for name, spent in (("by hand", whole), ("in a build", in_build)):
            print(f"  {name} the cell is {spent / took:.2f} times it, or 1.25 times it and {spent - 1.25 * took:.2f} s")


def lightly_linear(train: Tensor, labels: Tensor, classes: int) -> nn.Module:
    """lightly's linear evaluation on features: its `LinearClassifier` for 100 epochs of SGD (batches of 256, learning
    rate 0.1, momentum 0.9, cosine schedule)."""
    torchvision()  # before lightly, which imports it
    import pytorch_lightning
    from lightly.utils.benchmarking import LinearClassifier
    from torch.utils.data import DataLoader, TensorDataset

    model = LinearClassifier(nn.Identity(), 256, feature_dim=train.shape[1], num_classes=classes, topk=(1,))
    loader = DataLoader(TensorDataset(train, labels, labels), 256, shuffle=True, drop_last=True)
    trainer = pytorch_lightning.Trainer(
        max_epochs=100, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, barebones=False,
    )  # fmt: skip
    trainer.fit(model, loader)
    return model.classification_head.cpu()


def head() -> None:
    """Both heads on standardised features of all training images of a built dataset, side by side."""
    _, parameters = pruned_cell()
    with built():
        images = _data.read_data(Path(parameters["data"]), Recorder("bench", Path("bench"), {}))
        encoder = evaluate.read_pruned(Path(parameters["marked"]), None).served
        found = {split: evaluate.features(encoder, images.images(split)) for split in ("train", "test")}
    labels, truth = images.labels("train"), images.labels("test")
    mean, std = found["train"].mean(dim=0), found["train"].std(dim=0).clamp(min=1e-6)
    scaled = {name: (part - mean) / std for name, part in found.items()}
    rounds = []
    for _ in range(3):
        started = time.perf_counter()
        ours = fit_head(found["train"], labels, images.classes)
        middle = time.perf_counter()
        theirs = lightly_linear(scaled["train"], labels, images.classes)
        rounds.append((middle - started, time.perf_counter() - middle))
    own, other = (statistics.median(column) for column in zip(*rounds, strict=True))
    right = [ours.predict(found["test"]) == truth, theirs(scaled["test"]).argmax(dim=1) == truth]
    table = [int((right[0] == a).logical_and(right[1] == b).sum()) for a, b in product((True, False), repeat=2)]
    low, high = (100 * end for end in paired_difference(*table))
    accuracy, theirs_then = (100 * float(found.float().mean()) for found in right)
    print(f"head on {len(labels):,} x {found['train'].shape[1]} features: {own:.2f} s, {accuracy:.2f} %")
    print(f"lightly's linear evaluation on them: {other:.2f} s, {other / own:.0f} times as long, {theirs_then:.2f} %")
    print(f"  {theirs_then - accuracy:+.2f} points on {len(truth):,} images, 95 % [{low:+.2f}, {high:+.2f}]")


def main() -> None:
    if not (ROOT / "data/report/receipt.json").is_file():
        sys.exit("cell_speed: nothing built here; run `make run` first")
    print(f"{cpu_model()}, {os.cpu_count()} cores, torch {torch.__version__}, load average {os.getloadavg()[0]:.1f}")
    cell()
    head()


if __name__ == "__main__":
    main()
