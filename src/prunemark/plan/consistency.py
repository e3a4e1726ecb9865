"""What params.yaml must be as a whole, beyond each entry by itself: names used once, rates within reach."""

from __future__ import annotations

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.plan.params import CONTROLS, Encoder, Params, Structured, refuse_twice
from prunemark.pruning.scopes import CHANNEL_SCOPES, PATTERNS, SCOPES, channel_reach, check_reach


def complete(params: Params) -> Params:
    """Fill in every method and its default settings, so that all that follows sees complete entries.

    Raises:
        PrunemarkError: an entry that does not fit its method, or entries that do not fit each other.
    """
    axes = ("datasets", "encoders", "watermarks", "checks", "pruners", "structured", "alterations")
    entries = {axis: {name: entry.named(name) for name, entry in getattr(params, axis).items()} for axis in axes}
    completed = params.model_copy(update=entries)
    refuse_idle_datasets(completed)
    refuse_unknown_watermarks(completed)
    refuse_names_twice(completed)
    refuse_unknown_scopes(completed)
    refuse_out_of_reach(completed)
    return completed


def refuse_unknown_watermarks(params: Params) -> None:
    for name, entry in params.checks.items():
        refuse_twice(f"checks.{name}.on", entry.on or [])
        unknown = [one for one in entry.on or [] if one not in params.watermarks]
        if unknown:
            allowed = ", ".join(params.watermarks)
            raise PrunemarkError(f"checks.{name}.on: {unknown[0]!r} is not one of the watermarks {allowed}")


def refuse_names_twice(params: Params) -> None:
    """Watermarks and checks share a column of the results, and so do all that changes an encoder."""
    both = sorted(set(params.checks) & set(params.watermarks))
    if both:
        raise PrunemarkError(f"checks: {both[0]!r} is not allowed: it is also the name of a watermark")
    reserved = sorted(set(CONTROLS) & set(params.watermarks))
    if reserved:
        raise PrunemarkError(f"watermarks: {reserved[0]!r} is not allowed: the report uses this name for a control")
    taken = {"original": "the name of the encoder at rate 0"}
    kinds = {"pruners": "a pruner", "structured": "a structured pruner", "alterations": "an alteration"}
    for axis, kind in kinds.items():
        for name in getattr(params, axis):
            if name in taken:
                raise PrunemarkError(f"{axis}: {name!r} is not allowed: it is also {taken[name]}")
            taken[name] = f"the name of {kind}"


def refuse_idle_datasets(params: Params) -> None:
    """Every probe is a dataset, some dataset is trained on, and none is fetched for nothing."""
    refuse_twice("downstream", params.downstream)
    for name in params.downstream:
        if name not in params.datasets:
            raise PrunemarkError(f"downstream: {name!r} is not one of the datasets {', '.join(params.datasets)}")
    if not params.pretrained:
        raise PrunemarkError("datasets: no pretrain is not allowed: encoders are trained on at least one")
    for name in params.datasets:
        if name not in (*params.pretrained, *params.downstream):
            raise PrunemarkError(f"datasets.{name}.pretrain: false is not allowed: it is not in downstream either")


def refuse_unknown_scopes(params: Params) -> None:
    for name, entry in params.every_pruner.items():
        where, allowed = f"{entry.kind}.{name}", {"pruners": SCOPES, "structured": CHANNEL_SCOPES}[entry.kind]
        if entry.scope not in allowed:
            raise PrunemarkError(f"{where}.scope: {entry.scope!r} is not allowed: one of {', '.join(allowed)}")
        if entry.scope in PATTERNS and entry.rounds > 1:
            raise PrunemarkError(f"{where}.rounds: {entry.rounds} is not allowed: 1, since {entry.scope} has one rate")


def refuse_out_of_reach(params: Params) -> None:
    """Every rate of every pruner must be one that its scope can meet, on every encoder that is asked for."""
    for name, entry in params.every_pruner.items():
        where = f"{entry.kind}.{name}" + ("" if entry.method == name else f" (method {entry.method})")
        for rate in params.rates_of(name):
            try:
                if isinstance(entry, Structured):
                    refuse_empty_layers(params, str(entry.scope), rate)
                else:
                    check_reach(str(entry.scope), rate)
            except PrunemarkError as error:
                raise PrunemarkError(f"{where}: {error}") from None


def refuse_empty_layers(params: Params, scope: str, rate: str) -> None:
    for name, encoder in params.encoders.items():
        for sizes in channel_sizes(encoder, scope):
            try:
                channel_reach(sizes, rate)
            except PrunemarkError as error:
                raise PrunemarkError(f"{error}, on encoder {name}") from None


def channel_sizes(encoder: Encoder, scope: str) -> list[list[int]]:
    """The sizes of an encoder's groups of channels, by what a scope ranks together; none where its architecture does
    not state them."""
    stated = registry.constants("encoders", encoder.architecture).get("CHANNEL_GROUPS", [])
    alike = [[times * encoder.width for times in sizes] for sizes in stated]
    every = [size for sizes in alike for size in sizes]
    return {"isomorphic": alike, "global": [every] if every else [], "layer": [[size] for size in every]}[scope]
