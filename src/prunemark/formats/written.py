"""What all written formats share: they take nothing but what they name, and a fault is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from prunemark.disk.files import read_bytes, write_json
from prunemark.errors import PrunemarkError

Number = int | float  # as written: a count stays a count
MOST = 200
REMEDY = "remove it, and `prunemark build` makes it again"


class Written(BaseModel):
    """The base of all. ``NOUN`` names a file of the format in messages."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    NOUN: ClassVar[str] = "file"

    def content(self) -> dict[str, Any]:
        """As JSON has it; what was not set is left out."""
        return self.model_dump(by_alias=True, exclude_unset=True)


Format = TypeVar("Format", bound=Written)


def write(path: Path, written: Written) -> None:
    write_json(path, written.content())


def read(path: Path, model: type[Format]) -> Format:
    """A file of a format.

    Raises:
        PrunemarkError: there is none, or not one of this format; a line that names the field at fault.
    """
    raw = read_bytes(path)
    try:
        return parse(raw, model, str(path))
    except PrunemarkError as error:
        raise PrunemarkError(f"{error}; {REMEDY}") from None


def parse(raw: bytes, model: type[Format], place: str) -> Format:
    """The content of a file, which messages call ``place``.

    Raises:
        PrunemarkError: as `read`.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise PrunemarkError(f"{place}: {one_line(fault_of(error, model.NOUN))}") from None


def fault_of(error: ValidationError, noun: str) -> str:
    """Its first fault in words; of fields that are missing or unknown, all."""
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    at = ".".join(map(str, first["loc"]))
    rule = first["msg"].replace("Input should be", "it should be")
    lacks, unknown = (
        ", ".join(sorted(".".join(map(str, fault["loc"])) for fault in faults if fault["type"] == kind))
        for kind in ("missing", "extra_forbidden")
    )
    if at == "schema" and first["type"] != "missing":
        return f"schema {first['input']!r:.60} is not allowed: {rule}"
    if lacks or unknown:
        parts = ((lacks, "without"), (unknown, "unknown:"))
        return f"not {noun}: {'; '.join(f'{what} {names}' for names, what in parts if names)}"
    value = f"{at:.80}: {first['input']!r:.60} is not allowed: " if at else ""
    return f"not {noun}: {value}{rule}"


def one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MOST])
