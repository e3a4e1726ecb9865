"""The conditions of a report: where and with what its numbers were made."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prunemark.formats.journal import Latency
from prunemark.formats.written import Number, Written

SCHEMA: Literal[1] = 1


class Timed(Written):
    """Seconds of forward passes, and what they were measured on."""

    cpu: str
    host: str
    threads: int
    cells: Latency


class Conditions(Written):
    """conditions.json of the report, as the journals of all earlier steps state them.

    ``scheme_seconds``: means over seeds and keys by dataset/encoder/watermark, or that with /checks/check;
    ``latency``: by dataset/encoder/pruner. Files of earlier versions name no schema.
    """

    NOUN: ClassVar[str] = "conditions"

    schema_number: Literal[1] = Field(SCHEMA, alias="schema")
    runs: int
    cpu: list[str]
    cpu_capability: list[str]
    cores: list[str]
    training: list[str]
    python: list[str]
    versions: list[str]
    commits: list[str]
    code_differs_from_commit: bool
    seconds: Number
    seconds_by_stage: dict[str, Number]
    scheme_seconds: dict[str, Number]
    latency: dict[str, Timed]
    peak_memory_bytes: int
    first_started: str | None
