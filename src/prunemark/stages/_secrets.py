"""Secrets and calibrations on disk: one file for all keys under which a scheme is registered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prunemark import methods
from prunemark.errors import PrunemarkError
from prunemark.files import read_json
from prunemark.store import read_tensors, write_tensors
from prunemark.watermark import Secret

SECRET_FORMAT = "secret/1"


def write_secrets(path: Path, method: str, secrets: list[Secret]) -> None:
    """Write the secrets of one scheme, in the order of their keys."""
    tensors = {f"{i}/{name}": tensor for i, secret in enumerate(secrets) for name, tensor in secret.tensors.items()}
    header = {"format": SECRET_FORMAT, "method": method, "facts": [secret.facts for secret in secrets]}
    write_tensors(path, tensors, header)


def read_secrets(path: Path) -> tuple[str, list[Secret]]:
    """The method's name and its secrets.

    Raises:
        PrunemarkError: another format.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != SECRET_FORMAT:
        raise PrunemarkError(f"{path}: format {header.get('format')!r}; allowed: {SECRET_FORMAT!r}")
    secrets = []
    for i, facts in enumerate(header["facts"]):
        own = {name.partition("/")[2]: t for name, t in tensors.items() if name.partition("/")[0] == str(i)}
        secrets.append(Secret(own, facts))
    return header["method"], secrets


@dataclass(frozen=True)
class Trials:
    """What was measured under one key before anything was pruned; a statistic succeeds iff it reaches ``threshold``.

    ``marked``: the marked encoder itself. ``unmarked``: one value per null encoder. ``wrong_keys``: sorted values.
    ``intact``: one value per benign copy.
    """

    threshold: float
    law: str | None
    p_value: float | None
    marked: float
    unmarked: list[float]
    wrong_keys: list[float]
    intact: list[float]


@dataclass(frozen=True)
class Calibration:
    """The frozen thresholds of one scheme on one marked encoder, a `Trials` per key; none for the control."""

    method: str
    kind: str
    level: str
    trials: list[Trials]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_calibration(path: Path) -> Calibration:
    found = read_json(path)
    return Calibration(found["method"], found["kind"], found["level"], [Trials(**one) for one in found["trials"]])


def describe(method: str, trials: list[Trials]) -> Calibration:
    constants = methods.constants("watermarks", method)
    return Calibration(method, constants["KIND"], constants["LEVEL"], trials)
