"""The journal entry of a step: what varies without meaning, so that it is no input of anything but the report."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from prunemark.formats.written import Number, Written

JOURNAL = Path("data/journal")
SCHEMA: Literal[2] = 2

Quartiles = tuple[Number, Number, Number]
Latency = dict[str, dict[str, dict[str, Quartiles]]]  # seconds by cell, by form and precision, by batch size


class Measured(Written):
    """What single steps measure. ``images_per_second``, ``heldout_knn_accuracy``: of training, a value per epoch.
    ``scheme_seconds``: embedding a watermark, or registering one key of a check. ``docstrings``: of the methods that
    the page prints, their SHA-256."""

    device: str | None = None
    precision: str | None = None
    images_per_second: list[Number] | None = None
    heldout_knn_accuracy: list[Number] | None = None
    threads: int | None = None
    latency: Latency | None = None
    scheme_seconds: Number | None = None
    docstrings: dict[str, str] | None = None

    @property
    def by_epoch(self) -> dict[str, list[Number]]:
        series = {"images_per_second": self.images_per_second, "heldout_knn_accuracy": self.heldout_knn_accuracy}
        return {name: values for name, values in series.items() if values is not None}

    @property
    def training(self) -> str:
        """On which device, in which precision; empty where nothing was trained."""
        return f"{self.device} in {self.precision}" if self.device else ""


class Journal(Written):
    """data/journal/STAGE/....json, beside the receipt that it names.

    ``commit`` and ``code_differs_from_commit``: of git, none outside of a checkout. ``code``: the SHA-256 of every
    source file that was loaded, whether or not results can depend on it; schema 1 has none.
    """

    NOUN: ClassVar[str] = "a journal entry"

    schema_number: Literal[1, 2] = Field(alias="schema")
    receipt: str
    started: str
    seconds: Number
    host: str
    cpu: str
    cpu_capability: str
    cores: int | None
    python: str
    versions: dict[str, str]
    commit: str | None
    code_differs_from_commit: bool | None
    code: dict[str, str] = Field(default_factory=dict)
    peak_memory_bytes: int
    measured: Measured


def journal_path(folder: Path) -> Path:
    """Where the journal entry of a step's folder lies: ``data/raw/x`` has ``data/journal/raw/x.json``."""
    inside = folder.as_posix().removeprefix("data/")
    return JOURNAL / f"{inside}.json"
