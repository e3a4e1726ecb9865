"""Where everything lies under data/: stages and their folders, the names of their artefacts, a step of the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prunemark.plan.params import Params
from prunemark.point import ROOMS, Point

Parameters = dict[str, Any]
Methods = tuple[tuple[str, str], ...]
STAGES = ("fetch", "train", "watermark", "prune", "evaluate", "report")
FOLDERS = dict(zip(STAGES, (*ROOMS.values(), "report"), strict=True))
CLAIMS = "claims.yaml"
ARTEFACTS = {
    "data": ("images.safetensors", "dataset.json"),
    "encoder": ("encoder.safetensors", "objective.safetensors", "training.json"),
    "marked": ("encoder.safetensors", "head.safetensors", "secret.safetensors", "calibration.json"),
    "check": ("secret.safetensors", "calibration.json"),
    "mask": ("mask.pmk", "sparsity.json"),
    "recovered": ("mask.pmk", "recovered.safetensors", "sparsity.json"),
    "shrunk": ("encoder.safetensors", "mask.pmk", "sparsity.json"),
    "altered": ("encoder.safetensors",),
    "original": ("features.safetensors", "head.safetensors", "samples.npz", "scores.json"),
    "scores": ("samples.npz", "scores.json"),
    "latency": (),
    "report": (
        "results.csv",
        "landmarks.csv",
        "claims.json",
        "metrics.json",
        "conditions.json",
        "report.html",
        "plots/curves.csv",
        "plots/confusion.csv",
    ),
}


class Folder(str):
    """A folder that one step writes, such as ``data/raw/cifar10``, with the names of its artefacts.

    Of latencies there are none: what is measured stands in the journal.
    """

    names: tuple[str, ...]

    def __new__(cls, kind: str, path: str) -> Folder:
        folder = super().__new__(cls, path)
        folder.names = ARTEFACTS[kind]
        return folder

    @classmethod
    def of(cls, kind: str, point: Point) -> Folder:
        return cls(kind, point.folder)

    @property
    def receipt(self) -> str:
        return f"{self}/receipt.json"

    @property
    def artefacts(self) -> list[str]:
        return [f"{self}/{name}" for name in self.names]


@dataclass(frozen=True)
class Step:
    """One stage run: its sub-command (and module in stages/), its folder, what gives its parameters, the methods it
    loads by name, the folders it reads and, of these, those it waits for, files beside params.yaml that a user wrote,
    and the methods whose docstrings it prints. Every folder holds the artefacts of its kind and, last, a receipt.

    ``needs`` leaves out what another one of them has read: that one's receipt holds its hashes, so nothing can change
    unnoticed, and every edge costs time in planning.
    """

    command: str
    folder: Folder
    make_parameters: Callable[[], Parameters]
    methods: Methods
    reads: tuple[Folder, ...]
    needs: tuple[Folder, ...]
    files: tuple[str, ...] = ()
    described: Methods = ()

    @cached_property
    def parameters(self) -> Parameters:
        return self.make_parameters()

    @property
    def outputs(self) -> list[str]:
        return [*self.folder.artefacts, self.folder.receipt]


def stage_of(folder: str) -> str:
    """The stage that writes a folder under data/."""
    return STAGES[list(FOLDERS.values()).index(folder.split("/")[1])]


def data_folder(dataset: str) -> Folder:
    return Folder.of("data", Point(dataset))


def encoder_folder(point: Point) -> Folder:
    return Folder.of("encoder", point.at("encoders"))


def null_folders(params: Params, point: Point) -> list[Folder]:
    return [encoder_folder(point._replace(seed=str(seed))) for seed in params.null_seeds]


def marked_folder(point: Point) -> Folder:
    return Folder.of("marked", point.at("marked"))


def check_folder(point: Point, check: str) -> Folder:
    return Folder("check", f"{marked_folder(point)}/checks/{check}")


def pruned_folder(params: Params, point: Point) -> Folder:
    """A pruner leaves a mask and, where something recovers after it, the values that did; a structured one a smaller
    encoder, an alteration another encoder."""
    return Folder.of(left_by(params, point.pruner), point.at("pruned"))


def left_by(params: Params, way: str) -> str:
    """The kind of artefacts that a pruner or an alteration leaves."""
    if way in params.alterations:
        return "altered"
    if way in params.structured:
        return "shrunk"
    return "recovered" if params.pruners[way].recovers else "mask"


def scores_folder(point: Point) -> Folder:
    return Folder.of("original" if point.is_original else "scores", point)
