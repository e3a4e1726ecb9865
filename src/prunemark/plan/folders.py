"""Where everything lies under data/: stages and their folders, the names of their artefacts, a step of the graph.

A cell is a tuple of names in the order of the paths: dataset / encoder / seed / watermark / key / pruner / rate, where
an alteration and its strength may stand in the place of pruner and rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prunemark.plan.params import Params

Parameters = dict[str, Any]
Cell = tuple[str, ...]
Methods = tuple[tuple[str, str], ...]
STAGES = ("fetch", "train", "watermark", "prune", "evaluate", "report")
FOLDERS = dict(zip(STAGES, ("raw", "encoders", "marked", "pruned", "scores", "report"), strict=True))
ORIGINAL = ("original", "0")
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

    @staticmethod
    def of(kind: str, stage: str, *cell: str) -> Folder:
        made = Folder("/".join(("data", FOLDERS[stage], *cell)))
        made.names = ARTEFACTS[kind]
        return made

    @property
    def receipt(self) -> str:
        return f"{self}/receipt.json"

    @property
    def artefacts(self) -> list[str]:
        return [f"{self}/{name}" for name in self.names]


@dataclass(frozen=True)
class Step:
    """One stage run: its sub-command (and module in stages/), its folder, its parameters, the methods it loads by name,
    the folders it reads and, of these, those it waits for, files beside params.yaml that a user wrote, and the methods
    whose docstrings it prints. Every folder holds the artefacts of its kind and, written last, a receipt.

    ``needs`` leaves out what another one of them has read: that one's receipt holds its hashes, so nothing can change
    unnoticed, and every edge costs time in planning.
    """

    command: str
    folder: Folder
    parameters: Parameters
    methods: Methods
    reads: tuple[Folder, ...]
    needs: tuple[Folder, ...]
    files: tuple[str, ...] = ()
    described: Methods = ()

    @property
    def outputs(self) -> list[str]:
        return [*self.folder.artefacts, self.folder.receipt]


def stage_of(folder: str) -> str:
    """The stage that writes a folder under data/."""
    return STAGES[list(FOLDERS.values()).index(folder.split("/")[1])]


def data_folder(dataset: str) -> Folder:
    return Folder.of("data", "fetch", dataset)


def encoder_folder(dataset: str, encoder: str, seed: str) -> Folder:
    return Folder.of("encoder", "train", dataset, encoder, seed)


def null_folders(params: Params, dataset: str, encoder: str) -> list[Folder]:
    return [encoder_folder(dataset, encoder, str(seed)) for seed in params.null_seeds]


def marked_folder(*cell: str) -> Folder:
    """``cell``: dataset, encoder, seed, watermark, key."""
    return Folder.of("marked", "watermark", *cell)


def check_folder(cell: Cell, check: str) -> Folder:
    return Folder.of("check", "watermark", *cell, "checks", check)


def pruned_folder(params: Params, *cell: str) -> Folder:
    """``cell``: a full cell. A pruner leaves a mask and, where something recovers after it, the values that did; a
    structured one a smaller encoder, an alteration another encoder."""
    return Folder.of(left_by(params, cell[5]), "prune", *cell)


def left_by(params: Params, way: str) -> str:
    """The kind of artefacts that a pruner or an alteration leaves."""
    if way in params.alterations:
        return "altered"
    if way in params.structured:
        return "shrunk"
    return "recovered" if params.pruners[way].recovers else "mask"


def scores_folder(*cell: str) -> Folder:
    """``cell``: a full cell and the probe dataset."""
    return Folder.of("original" if cell[5:7] == ORIGINAL else "scores", "evaluate", *cell)
