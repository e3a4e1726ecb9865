"""Secrets and calibrations on disk: one key file for all keys under which a scheme is registered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from prunemark import registry
from prunemark.disk.tensors import read_tensors, write_tensors
from prunemark.errors import PrunemarkError
from prunemark.formats.calibration import SCHEMA, Calibration, Trials
from prunemark.marking.contract import Secret
from prunemark.model.encoder import Architecture

KEY_FORMAT = "key/1"


@dataclass(frozen=True)
class Key:
    """One key as verification needs it: the secret, and the threshold that was frozen with it."""

    secret: Secret
    threshold: float


@dataclass(frozen=True)
class KeyFile:
    """All keys of one scheme for one encoder, in the order of their numbers.

    ``kind`` is ``watermarks`` or ``checks``; ``encoder`` is the architecture that the keys are for; ``head``, empty for
    all others, the SHA-256 of the classifier file through which a check that sees labels was registered.
    """

    kind: str
    method: str
    encoder: Architecture
    keys: list[Key]
    head: str = ""

    def scheme(self) -> ModuleType:
        return registry.load(self.kind, self.method)


def write_keys(path: Path, file: KeyFile) -> None:
    """Write a key file. Its SHA-256, which the receipt beside it holds, is the commitment to the keys."""
    tensors = {f"{i}/{name}": t for i, key in enumerate(file.keys) for name, t in key.secret.tensors.items()}
    header = {
        "format": KEY_FORMAT,
        "kind": file.kind,
        "method": file.method,
        "encoder": file.encoder.to_dict(),
        "facts": [key.secret.facts for key in file.keys],
        "thresholds": [key.threshold for key in file.keys],
        "head": file.head,
    }
    write_tensors(path, tensors, header)


def read_keys(path: Path) -> KeyFile:
    """Read a key file.

    Raises:
        PrunemarkError: another format, a scheme that is not known here, or thresholds that are no finite numbers.
    """
    tensors, header = read_tensors(path)
    if header.get("format") != KEY_FORMAT:
        raise PrunemarkError(f"{path}: format {header.get('format')!r}; allowed: {KEY_FORMAT!r}")
    try:
        if header["kind"] not in ("watermarks", "checks"):
            raise ValueError(f"kind {header['kind']!r}")
        if header["method"] not in registry.names(header["kind"]):
            raise ValueError(f"method {header['method']!r}")
        keys = []
        for i, (facts, threshold) in enumerate(zip(header["facts"], header["thresholds"], strict=True)):
            own = {name.partition("/")[2]: t for name, t in tensors.items() if name.partition("/")[0] == str(i)}
            if type(threshold) not in (int, float) or not math.isfinite(threshold):
                raise ValueError(f"threshold {threshold!r}")
            keys.append(Key(Secret(own, dict(facts)), float(threshold)))
        return KeyFile(header["kind"], header["method"], Architecture(**header["encoder"]), keys, str(header["head"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise PrunemarkError(f"{path}: not a key file of prunemark ({str(error)[:200]})") from None


def describe(kind: str, method: str, trials: list[Trials]) -> Calibration:
    constants = registry.constants(kind, method)
    return Calibration(schema=SCHEMA, method=method, kind=constants["KIND"], level=constants["LEVEL"], trials=trials)
