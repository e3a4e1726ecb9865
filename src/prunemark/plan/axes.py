"""The axes of the grid: what params.yaml asks for of each kind of thing that varies."""

from __future__ import annotations

from prunemark.plan.params import Params
from prunemark.registry import constants


def pruned(params: Params) -> list[tuple[str, str]]:
    """Every pruner with its rates."""
    return [(name, rate) for name in params.every_pruner for rate in params.rates_of(name)]


def probes(params: Params, dataset: str) -> list[str]:
    """The dataset that an encoder was trained on, and those downstream of it."""
    return [dataset, *(name for name in params.downstream if name != dataset)]


def sees_labels(params: Params, check: str) -> bool:
    return bool(constants("checks", params.checks[check].method)["LEVEL"] == "LABELS")


def altered(params: Params) -> list[tuple[str, str]]:
    """Every alteration with its strengths."""
    return [(name, strength) for name, entry in params.alterations.items() for strength in entry.texts()]


def checks_on(params: Params, watermark: str) -> list[str]:
    """The checks that are registered on encoders with this watermark."""
    return [name for name, entry in params.checks.items() if entry.on is None or watermark in entry.on]


def keyed_copies(params: Params) -> list[tuple[str, str]]:
    """Every watermark with the numbers of its keys; a scheme that knows no keys, such as ``none``, has one copy."""
    return [
        (name, str(key))
        for name, entry in params.watermarks.items()
        for key in range(params.keys if constants("watermarks", entry.method)["KEYED"] else 1)
    ]
