"""The calibration of a scheme: what was measured before anything was pruned, and the thresholds frozen by it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from prunemark.formats.written import Number, Written

SCHEMA: Literal[1] = 1


class Trials(Written):
    """What was measured under one key before anything was pruned; a statistic succeeds iff it reaches ``threshold``.

    ``marked``: the marked encoder itself. ``unmarked``: one value per null encoder. ``twin``: the encoder before an
    active scheme changed it. ``wrong_keys``: values in ascending order, each with how often it came. ``intact``: one
    value per benign copy. ``bfloat16``: the marked encoder answering in bfloat16. ``forged``: an unmarked encoder under
    a secret fitted to it afterwards. ``null``: not applicable, or asked of the first key alone.
    """

    threshold: Number
    law: str | None
    p_value: Number | None
    marked: Number
    unmarked: list[Number]
    twin: Number | None
    wrong_keys: list[tuple[Number, int]]
    intact: list[Number]
    bfloat16: Number | None
    forged: Number | None


class Calibration(Written):
    """calibration.json beside every secret: the frozen thresholds of one scheme on one marked encoder, trials per key;
    none for the control. Files of earlier versions name no schema."""

    NOUN: ClassVar[str] = "a calibration"

    schema_number: Literal[1] = Field(SCHEMA, alias="schema")
    method: str
    kind: str
    level: str
    trials: list[Trials]
