"""What a request is, and what its fields say of the command line."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Option:
    """A field as an option. ``names``: the kind of method that its value must name."""

    help: str | None = None
    least: int | None = None
    names: str | None = None


@dataclass(frozen=True)
class Settings(Option):
    """Settings of the method of a ``kind`` that another field names: on the command line ``name=value``, repeatable."""

    kind: str = ""
    of: str = "method"


@dataclass(frozen=True, kw_only=True)
class Request:
    """The base of all. A field is the option of its name; its docstring is the help of the command."""

    def parameters(self) -> dict[str, Any]:
        """As in the receipt, and as options of the command line; what is not given is left out."""
        values = {field.name.replace("_", "-"): getattr(self, field.name) for field in fields(self)}
        return {name: plain(value) for name, value in values.items() if value is not None}


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else value
