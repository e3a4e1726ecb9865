"""The scores of a cell: every figure, made from the raw samples beside it."""

from __future__ import annotations

from typing import ClassVar, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from prunemark.formats.written import Number, Written

SCHEMA: Literal[1] = 1


class Kind(TypedDict):
    """What a number is; ``check`` and ``head`` where one has to do with it."""

    check: NotRequired[str]
    head: NotRequired[str]
    metric: str
    unit: str


class Counted(TypedDict):
    """Shares carry k of n, and a 95 % interval."""

    value: Number
    k: NotRequired[int]
    n: NotRequired[int]
    ci_low: NotRequired[Number]
    ci_high: NotRequired[Number]


class Facts(TypedDict, total=False):
    """What is said beside the success rate of a scheme."""

    statistic: Number
    threshold: Number
    fpr: Number
    fpr_upper: Number


@with_config(ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class ScoreRow(Kind, Counted, Facts):
    """One number with its unit, as results.csv has it in these columns; what does not apply is absent."""


class Channels(Written):
    removed: int
    total: int


class Sizes(Written):
    """Counts of weights, multiply-accumulates of one image, and bytes by layout. Of a pruned cell also what went: by
    layer as (removed, total), and the bytes that the cell adds to the marked encoder's file. Files of earlier versions
    lack some of the others."""

    weights: int
    nonzeros: int
    macs: int
    macs_nonzero: int | None = None
    compression_ratio: Number | None = None
    dense_bytes: int
    half_bytes: int | None = None
    bitmask_bytes: int | None = None
    sparse_bytes: int
    removed: int | None = None
    mask_entropy_bytes: Number | None = None
    layers: dict[str, tuple[int, int]] | None = None
    mask_bytes: int | None = None
    channels: Channels | None = None
    stored_bytes: int | None = None


class ClassesRight(Written):
    """Per class: ``n`` images, and how many either encoder predicts right."""

    n: list[int]
    original: list[int]
    pruned: list[int]


class Scores(Written):
    """scores.json in the folder of every scored cell.

    ``classes``: how many. ``agreement_matrix``: through the frozen head, the original's prediction by the pruned one's;
    ``classes_right``: by head. Controls have no sizes, originals none of the last two.
    """

    NOUN: ClassVar[str] = "scores"

    schema_number: Literal[1] = Field(alias="schema")
    classes: int
    sizes: Sizes | None = None
    agreement_matrix: list[list[int]] | None = None
    classes_right: dict[str, ClassesRight] | None = None
    rows: list[ScoreRow]
