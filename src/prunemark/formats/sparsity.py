"""The sparsity of a pruned encoder: the requested rate beside what was achieved."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prunemark.formats.written import Number, Written

SCHEMA: Literal[1] = 1


class Count(Written):
    total: int
    removed: int


class ChannelCount(Count):
    """How many channels were there and how many went, over all groups and per group."""

    achieved: Number
    groups: dict[str, Count]


class Sparsity(Written):
    """sparsity.json beside every mask: counts of weights, over all and per layer; ``channels`` where some were removed.
    Files of earlier versions name no schema."""

    NOUN: ClassVar[str] = "a sparsity"

    schema_number: Literal[1] = Field(SCHEMA, alias="schema")
    requested: str
    total: int
    removed: int
    achieved: Number
    mask_entropy_bytes: Number
    layers: dict[str, Count]
    channels: ChannelCount | None = None
