"""The receipt: what one step was asked for, read, wrote and executed, by hashes; in-toto's link metadata in spirit.

It holds only what has meaning, so that a rerun which gives the same bytes gives the same receipt. What varies without
meaning is in the journal.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from prunemark.disk.files import canonical_json, read_bytes
from prunemark.errors import PrunemarkError
from prunemark.formats.written import REMEDY, Written, parse

RECEIPT = "receipt.json"
SCHEMA: Literal[2] = 2

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar] | dict[str, Scalar | list[Scalar]]


class Receipt(Written):
    """receipt.json in the folder of every step, written last: its presence means done.

    ``inputs``, ``outputs``: SHA-256 by path in the repository, or by the name of a download. ``code``: by path, the
    identity of each source file that results can depend on; of schema 1 the SHA-256 of its bytes. ``command`` and
    ``seed`` say again what ``parameters`` say.
    """

    NOUN: ClassVar[str] = "a receipt"

    schema_number: Literal[1, 2] = Field(alias="schema")
    stage: str
    command: str
    parameters: dict[str, Value]
    seed: int | None
    inputs: dict[str, str]
    outputs: dict[str, str]
    code: dict[str, str]

    @property
    def says_its_command(self) -> bool:
        return self.command == command_of(self.stage, self.parameters)

    @property
    def parents(self) -> list[str]:
        """The folders of the steps that it read, in the order of their names."""
        return [name.removesuffix(f"/{RECEIPT}") for name in self.inputs if is_receipt(name)]


def read_receipt(folder: Path) -> Receipt:
    """The receipt of a folder.

    Raises:
        PrunemarkError: missing, no receipt, or not in canonical form.
    """
    path = folder / RECEIPT
    raw = read_bytes(path)
    try:
        receipt = parse(raw, Receipt, str(path))
        if canonical_json(receipt.content()).encode() != raw:
            raise PrunemarkError(f"{path}: not as written: its JSON is not in canonical form")
    except PrunemarkError as error:
        raise PrunemarkError(f"{error}; {REMEDY}") from None
    return receipt


def is_receipt(name: str) -> bool:
    """Whether an input is the receipt of another step."""
    return name.startswith("data/") and name.endswith(f"/{RECEIPT}") and not name.startswith("data/journal/")


def options(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Parameters as the names and values of command-line options, in the order of their names: a value each of a list,
    ``name=value`` each of a dictionary (settings of a method, under ``set``); empty ones are left out.
    """
    pairs: list[tuple[str, str]] = []
    for name in sorted(parameters):
        value = parameters[name]
        if isinstance(value, dict):
            pairs += [(name, f"{key}={item}") for key, item in sorted(value.items())]
        elif isinstance(value, list):
            pairs += [(name, str(item)) for item in value]
        elif value not in (None, ""):
            pairs.append((name, str(value)))
    return pairs


def flags(parameters: Mapping[str, Any]) -> str:
    """Parameters as command-line options: ``{"lr": 0.1, "null": ["a", "b"]}`` is ``--lr 0.1 --null a --null b``."""
    return shlex.join(word for name, value in options(parameters) for word in (f"--{name}", value))


def command_of(stage: str, parameters: Mapping[str, Any]) -> str:
    return f"prunemark {stage} {flags(parameters)}"
