"""claims.yaml as typed models: a small declarative language, in which nothing is evaluated but what stands here."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from prunemark.claims.logic import Side
from prunemark.errors import PrunemarkError

DIMENSIONS = ("dataset", "encoder", "watermark", "probe", "scheme", "pruner", "rate")
SUCCESS = ("AuthSR", "VerSR", "TamperDR")
ORIGINAL = "original"
PREVIOUS = "previous rate"
QUANTIFIED = rf"^(every|some) ({'|'.join(DIMENSIONS)})$"

Number = Annotated[float, Field(allow_inf_nan=False)]
Names = Annotated[list[str], Field(min_length=1)]
Kind = Literal["weights", "channels", "alterations", "original"]
Counted = Literal["dataset", "encoder", "watermark", "probe", "scheme", "pruner", "rate", "seed"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def exact(value: float) -> str:
    """A number with all its digits, so that what is read is what is decided: ``1,485,582``, ``0.2499999``."""
    return f"{value + 0.0:,}".removesuffix(".0")  # the sum takes the sign from -0.0


class Bounds(Strict):
    """A side of one or two numbers: ``above`` and ``below`` leave them out, ``at_least`` and ``at_most`` do not."""

    above: Number | None = None
    at_least: Number | None = None
    below: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for first, second in (("above", "at_least"), ("below", "at_most")):
            if getattr(self, first) is not None and getattr(self, second) is not None:
                raise PrunemarkError(f"{first} and {second} together are not allowed: one of them")
        side = self.side
        if side.lower is None or side.upper is None:
            return self
        both_closed = side.lower_closed and side.upper_closed
        if side.lower > side.upper or (side.lower == side.upper and not both_closed):
            raise PrunemarkError(
                f"between {exact(side.lower)} and {exact(side.upper)} is not allowed: nothing lies there"
            )
        return self

    @property
    def side(self) -> Side:
        lower = self.above if self.at_least is None else self.at_least
        upper = self.below if self.at_most is None else self.at_most
        return Side(lower, upper, self.at_least is not None, self.at_most is not None)

    @property
    def empty(self) -> bool:
        return self.side.lower is None and self.side.upper is None


class Condition(Bounds):
    """What must hold at a point: a metric, or its difference ``minus`` that of the original, of the previous rate or of
    another pruner at the same rate, lies within bounds; or accuracy is ``significantly`` better or worse than the
    original's (exact McNemar, Holm over the rates, 5 %).

    ``head``: for a metric that is measured through heads. Where a scheme sees labels, the frozen one if none is named.
    """

    metric: str
    head: Literal["frozen", "refit", "knn"] | None = None
    minus: str | None = None
    significantly: Literal["better", "worse"] | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        if self.significantly is None and self.empty:
            raise PrunemarkError("no comparison: one of above, at_least, below, at_most, significantly")
        if self.significantly is not None:
            if not self.empty or self.minus is not None:
                raise PrunemarkError("significantly is not allowed beside minus or a number: the test has its own")
            if self.metric != "accuracy":
                raise PrunemarkError(f"significantly is not allowed with {self.metric}: the test is one of accuracy")
        return self


class Where(Strict):
    """Which points a claim speaks of: all pruned ones, or those of certain names, kinds and rates."""

    kind: Annotated[list[Kind], Field(min_length=1)] = ["weights", "channels"]
    dataset: Names | None = None
    encoder: Names | None = None
    watermark: Names | None = None
    probe: Names | None = None
    scheme: Names | None = None
    pruner: Names | None = None
    rate: Bounds | None = None

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        for key in ("kind", *DIMENSIONS[:-1]):
            names = getattr(self, key) or []
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise PrunemarkError(f"where.{key}: {twice!r} is not allowed twice: each once")
        return self


class Claim(Strict):
    """A sentence (``says``) and what it means: that all of ``holds`` hold together at the points of ``where``, under
    the quantifiers ``for``, of which the first is the outermost. What is not quantified is "every", outside of these.

    ``needs``: how many datasets, schemes, rates, seeds and so on a run must have; with fewer the claim is not
    decidable. Without it, a claim that matches nothing is an error.
    """

    says: Annotated[str, Field(min_length=1, max_length=300)]
    holds: Annotated[list[Condition], Field(min_length=1)]
    quantifiers: list[Annotated[str, Field(pattern=QUANTIFIED)]] = Field(default=[], alias="for")
    where: Where = Where()
    needs: dict[Counted, Annotated[int, Field(ge=1)]] = {}

    @model_validator(mode="after")
    def _each_dimension_once(self) -> Self:
        named = [quantifier.split()[1] for quantifier in self.quantifiers]
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice:
            raise PrunemarkError(f"for: {twice} is not allowed twice: each once")
        return self

    @property
    def order(self) -> list[tuple[str, str]]:
        """(quantifier, dimension) from the outermost inwards, all dimensions once. A probe that is not named belongs to
        its dataset, so that "some dataset" is one with every probe of it.
        """
        named = [(quantifier.split()[0], quantifier.split()[1]) for quantifier in self.quantifiers]
        given = {dimension for _, dimension in named}
        found = [("every", name) for name in DIMENSIONS if name not in given and name != "probe"] + named
        if "probe" not in given:
            found.insert(1 + [dimension for _, dimension in found].index("dataset"), ("every", "probe"))
        return found


class Claims(RootModel[dict[Name, Claim]]):
    model_config = ConfigDict(strict=True, frozen=True)
