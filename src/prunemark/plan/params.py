"""params.yaml as typed models: the one file a user edits, checked as a whole before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from prunemark import registry
from prunemark.errors import PrunemarkError

NAME = r"^[a-z0-9][a-z0-9.-]*$"
CONTROLS = ("untrained", "pixels")
LEAST_KEYS = 20
LONGEST_RATE = 12
UTILITY_DROP = 0.05

Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[int, Field(ge=1)]
Rates = list[Annotated[float, Field(ge=0, lt=1)]]
TUNING = {"epochs": 1, "learning_rate": 0.01}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Method(Strict):
    """A named use of a method: ``method`` (default: the name itself) and that method's own settings."""

    kind: ClassVar[str]
    method: str = ""
    set: dict[str, Any] = {}

    def named(self, name: str) -> Any:
        """This entry with its method filled in and its settings checked and completed."""
        method = self.method or name
        registry.module_name(self.kind, method)
        return self.model_copy(update={"method": method, "set": registry.complete(self.kind, method, self.set)})


class Dataset(Method):
    """``pretrain``: whether encoders are trained on it; without, it is a probe alone (``downstream``)."""

    kind = "datasets"
    pretrain: bool = True
    heldout: Positive = 500
    keypool: Positive = 500


class Encoder(Strict):
    objective: str
    architecture: str
    width: Annotated[int, Field(ge=1, le=1024)] = 64
    epochs: Annotated[int, Field(ge=1, le=100000)]
    batch_size: Annotated[int, Field(ge=2)] = 256
    optimizer: Literal["sgd", "lars"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0, le=100)]
    warmup_epochs: Annotated[int, Field(ge=0)] = 1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0005
    set: dict[str, Any] = {}

    def named(self, name: str) -> Encoder:
        registry.module_name("objectives", self.objective)
        registry.module_name("encoders", self.architecture)
        if self.warmup_epochs >= self.epochs:
            raise PrunemarkError(f"encoders.{name}.warmup_epochs: {self.warmup_epochs} is not allowed: below epochs")
        return self.model_copy(update={"set": registry.complete("objectives", self.objective, self.set)})


class Watermark(Method):
    kind = "watermarks"


class Check(Method):
    """``on``: the watermarks whose encoders it is registered on; all where it is absent."""

    kind = "checks"
    keys: Annotated[int, Field(ge=LEAST_KEYS, le=10000)] | None = None
    on: Annotated[list[str], Field(min_length=1)] | None = None

    def named(self, name: str) -> Check:
        entry: Check = super().named(name)
        if registry.constants("checks", entry.method)["KEYED"]:
            return entry.model_copy(update={"keys": self.keys or LEAST_KEYS})
        if self.keys is not None:
            raise PrunemarkError(f"checks.{name}.keys: {self.keys} is not allowed: {entry.method} knows no keys")
        return entry.model_copy(update={"keys": 1})


class Pruner(Method):
    """``scope``: the method's own where it is absent. ``rates``: its own, instead of those of all pruners. ``epochs``
    and ``learning_rate``: of fine-tuning, where that is its recovery.
    """

    kind = "pruners"
    scope: str | None = None
    rates: Rates | None = None
    rounds: Annotated[int, Field(ge=1, le=1000)] = 1
    recovery: Literal["none", "batch-norm", "fine-tune"] = "none"
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=100)] | None = None

    def named(self, name: str) -> Any:
        entry: Pruner = super().named(name)
        scope = self.scope or registry.constants(self.kind, entry.method).get("SCOPE", "global")
        where = f"{self.kind}.{name}"
        given = {key: value for key in TUNING if (value := getattr(self, key)) is not None}
        if given and not self.tunes:
            key, value = next(iter(given.items()))
            raise PrunemarkError(f"{where}.{key}: {value} is not allowed: only with recovery fine-tune")
        refuse_unfit(f"{where}.rates", self.rates or [])
        tuning = TUNING | given if self.tunes else {}
        return entry.model_copy(update={"scope": scope, **tuning})

    @property
    def recovers(self) -> bool:
        return self.recovery != "none"

    @property
    def tunes(self) -> bool:
        return self.recovery == "fine-tune"


class Structured(Pruner):
    kind = "structured"


class Alteration(Method):
    """``strengths`` are numbers that the method's own constants allow; each makes a cell beside the pruned ones."""

    kind = "alterations"
    strengths: Annotated[list[float], Field(min_length=1)]

    def named(self, name: str) -> Alteration:
        entry: Alteration = super().named(name)
        for strength in self.strengths:
            registry.check_strength(entry.method, strength)
        refuse_unfit(f"alterations.{name}.strengths", self.strengths)
        return entry

    def texts(self) -> list[str]:
        """The strengths in their canonical text, in the order given."""
        return [canonical_rate(strength) for strength in self.strengths]


class Params(Strict):
    """The whole of params.yaml. ``rates`` are numbers in [0, 1); the original (rate 0) is always evaluated.

    ``downstream``: datasets on which encoders that were trained on another are probed too. What a run measures has no
    default; whatever a later release adds has one, so that it reads the files of earlier ones.
    """

    datasets: dict[Name, Dataset]
    downstream: list[str] = []
    encoders: dict[Name, Encoder]
    seeds: list[Seed]
    null_seeds: list[Seed]
    watermarks: dict[Name, Watermark]
    keys: Annotated[int, Field(ge=1, le=10000)] = 1
    checks: dict[Name, Check] = {}
    pruners: dict[Name, Pruner]
    structured: dict[Name, Structured] = {}
    alterations: dict[Name, Alteration] = {}
    rates: Rates
    head_images: Annotated[int, Field(ge=10)] = 1000
    utility_drop: Annotated[float, Field(gt=0, le=1)] = UTILITY_DROP
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    _given: dict[str, Any] = PrivateAttr()

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_was_given(cls, given: dict[str, Any], check: ModelWrapValidatorHandler[Params]) -> Params:
        params = check(given)
        params._given = given
        return params

    @model_validator(mode="after")
    def _no_duplicates(self) -> Params:
        for key in ("datasets", "encoders", "seeds", "watermarks", "pruners"):
            if not getattr(self, key):
                raise PrunemarkError(f"{key}: empty is not allowed: at least one entry")
        for key in ("seeds", "null_seeds"):
            refuse_twice(key, getattr(self, key))
        refuse_unfit("rates", self.rates)
        both = sorted(set(self.seeds) & set(self.null_seeds))
        if both:
            raise PrunemarkError(f"null_seeds: {both[0]} is not allowed: it is also in seeds")
        return self

    @property
    def pretrained(self) -> list[str]:
        """The datasets that encoders are trained on."""
        return [name for name, entry in self.datasets.items() if entry.pretrain]

    @property
    def every_pruner(self) -> dict[str, Pruner]:
        """Those of weights, then those of channels."""
        return {**self.pruners, **self.structured}

    def rates_of(self, pruner: str) -> list[str]:
        """The rates above 0 of a pruner in their canonical text, ascending."""
        own = self.every_pruner[pruner].rates
        return [canonical_rate(rate) for rate in sorted(self.rates if own is None else own) if rate > 0]

    def digest(self, schema: int = 2) -> str:
        """SHA-256 of the file's content as given, without its defaults: comments, quotes and layout do not count, the
        order of entries does. Receipts of schema 1 hold that of the content with all defaults and in sorted order.
        """
        if schema == 1:  # the keys given are all that there were: none had a default
            text = json.dumps(self.model_dump(mode="json", include=set(self._given)), sort_keys=True)
        else:
            text = json.dumps(self._given, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def refuse_twice(key: str, values: Sequence[float] | Sequence[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise PrunemarkError(f"{key}: {twice[0]} is not allowed twice: each value once")


def refuse_unfit(key: str, values: Sequence[float]) -> None:
    """Numbers that make paths: each once, and with a short text."""
    refuse_twice(key, values)
    for value in values:
        if len(canonical_rate(value)) > LONGEST_RATE:
            raise PrunemarkError(f"{key}: {value} is not allowed: at most {LONGEST_RATE - 2} decimals")


def canonical_rate(rate: float) -> str:
    """The one text of a rate, in paths, commands and tables: ``0.30`` is ``0.3``, without exponents."""
    return format(Decimal(repr(rate)).normalize(), "f")
