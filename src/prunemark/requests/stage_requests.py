"""The request of every sub-command of a stage; of the pruners of channels and of weights it is the same but for the
kind of criterion."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from prunemark.requests.request import Option, Request, Settings

SETTING = "a setting of the method, as name=value; repeatable"
TRAINED = "what the encoder was trained by"

Positive = Annotated[int, Option(least=1)]
Natural = Annotated[int, Option(least=0)]
BatchSize = Annotated[int, Option(least=2)]
Threads = Annotated[int, Option("PyTorch's threads; results depend on it", least=1)]
HeadImages = Annotated[int, Option("training images that heads are fitted on", least=1)]
Nulls = Annotated[list[Path], Option("folder of an independently trained encoder; repeatable")]
ObjectiveSettings = Annotated[
    dict[str, Any], Settings("a setting of the objective; repeatable", kind="objectives", of="objective")
]


@dataclass(frozen=True, kw_only=True)
class FetchRequest(Request):
    """Fetch a dataset, check it against its pinned hashes, draw its splits."""

    dataset: str
    method: str
    set: Annotated[dict[str, Any], Settings(SETTING, kind="datasets")] = field(default_factory=dict)
    heldout: Positive
    keypool: Positive
    out: Path


@dataclass(frozen=True, kw_only=True)
class TrainRequest(Request):
    """Train an encoder; a killed run goes on from its last epoch."""

    data: Path
    objective: str
    set: Annotated[dict[str, Any], Settings(SETTING, kind="objectives", of="objective")] = field(default_factory=dict)
    architecture: Annotated[str, Option(names="encoders")]
    width: Positive
    epochs: Positive
    batch_size: BatchSize
    optimizer: str
    learning_rate: float
    warmup_epochs: Natural
    momentum: float
    weight_decay: float
    seed: Natural
    threads: Threads
    device: str
    out: Path


@dataclass(frozen=True, kw_only=True)
class WatermarkRequest(Request):
    """Mark an encoder, freeze its threshold and its head."""

    data: Path
    encoder: Path
    null: Nulls = field(default_factory=list)
    method: str
    set: Annotated[dict[str, Any], Settings(SETTING, kind="watermarks")] = field(default_factory=dict)
    key: Annotated[int, Option("number of the experiment key", least=0)]
    seed: Natural
    head_images: HeadImages
    threads: Threads
    out: Path


@dataclass(frozen=True, kw_only=True)
class CheckRequest(Request):
    """Register a passive check on a marked encoder (part of the watermark stage)."""

    data: Path
    marked: Path
    null: Nulls = field(default_factory=list)
    method: str
    set: Annotated[dict[str, Any], Settings(SETTING, kind="checks")] = field(default_factory=dict)
    keys: Annotated[int, Option("how many experiment keys", least=1)]
    seed: Natural
    head_images: HeadImages
    threads: Threads
    out: Path


@dataclass(frozen=True, kw_only=True)
class PruneRequest(Request):
    """Prune the weights of a marked encoder at one rate."""

    data: Path
    encoder: Annotated[Path, Option("folder of the encoder before marking, with its projector")]
    marked: Path
    method: str
    set: Annotated[dict[str, Any], Settings(SETTING, kind="pruners")] = field(default_factory=dict)
    scope: Annotated[str, Option("what is ranked together")]
    rate: Annotated[str, Option("share of the prunable weights, or removable channels, to remove")]
    objective: Annotated[str, Option(TRAINED)]
    objective_set: ObjectiveSettings = field(default_factory=dict)
    rounds: Annotated[int, Option("rounds on the way to the rate", least=1)] = 1
    recovery: Annotated[str, Option("after each round: none, batch-norm or fine-tune")] = "none"
    batch_size: BatchSize
    seed: Natural
    threads: Threads
    out: Path
    epochs: Annotated[int, Option("of fine-tuning, after each round", least=0)] = 0
    learning_rate: Annotated[float, Option("of fine-tuning, at its start")] = 0.0
    optimizer: Annotated[str, Option("of fine-tuning")] = "sgd"
    momentum: Annotated[float, Option("of fine-tuning")] = 0.0
    weight_decay: Annotated[float, Option("of fine-tuning")] = 0.0
    device: Annotated[str, Option("of fine-tuning")] = "auto"

    def parameters(self) -> dict[str, Any]:
        """Those of fine-tuning only where there is some."""
        tuning = ("epochs", "learning-rate", "optimizer", "momentum", "weight-decay", "device")
        every = super().parameters()
        return every if self.epochs else {name: value for name, value in every.items() if name not in tuning}


@dataclass(frozen=True, kw_only=True)
class ShrinkRequest(PruneRequest):
    """Remove channels of a marked encoder at one rate (part of the prune stage)."""

    set: Annotated[dict[str, Any], Settings(SETTING, kind="structured")] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AlterRequest(Request):
    """Alter a marked encoder other than by pruning (part of the prune stage)."""

    data: Path
    marked: Path
    method: str
    set: Annotated[dict[str, Any], Settings(SETTING, kind="alterations")] = field(default_factory=dict)
    strength: Annotated[str, Option("how much, in the method's own measure")]
    objective: Annotated[str, Option(TRAINED)]
    objective_set: ObjectiveSettings = field(default_factory=dict)
    batch_size: BatchSize
    optimizer: str
    momentum: float
    weight_decay: float
    key: Annotated[int, Option("number of the experiment key of the marked encoder", least=0)]
    seed: Natural
    threads: Threads
    device: Annotated[str, Option("of the training that a method may go on with")]
    out: Path


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(Request):
    """Score a cell: accuracy, agreement, features, watermarks, sizes."""

    data: Path
    marked: Path
    check: Annotated[list[Path], Option("folder of a registered check; repeatable")] = field(default_factory=list)
    pruned: Annotated[Path | None, Option("absent: the original")] = None
    original: Annotated[Path | None, Option("scores of the original")] = None
    head_images: HeadImages
    threads: Threads
    out: Path


@dataclass(frozen=True, kw_only=True)
class LatencyRequest(Request):
    """Time pruned encoders beside their original (part of the evaluate stage)."""

    marked: Path
    pruned: Annotated[list[Path], Option("folder of a pruned encoder; repeatable")]
    threads: Threads
    out: Path


@dataclass(frozen=True, kw_only=True)
class ControlRequest(Request):
    """Score a control that no training made (part of the evaluate stage)."""

    control: Annotated[str, Option("untrained or pixels")]
    data: Path
    encoder: Path
    head_images: HeadImages
    threads: Threads
    out: Path


@dataclass(frozen=True, kw_only=True)
class ReportRequest(Request):
    """Make the results table and the page."""

    params: Path = Path("params.yaml")
    asked: Annotated[str, Option("SHA-256 of what params.yaml asks for")]
    claims: Path = Path("claims.yaml")
    out: Path
