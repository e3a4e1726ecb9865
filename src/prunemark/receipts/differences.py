"""What differs between a step as its receipt has it and as it would be now, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SHORT = 8


def flat(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with the settings of a method as names of their own."""
    every: dict[str, Any] = {}
    for name, value in parameters.items():
        every |= {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {name: value}
    return every


def in_words(value: Any) -> str:
    return "(none)" if value in (None, "", []) else " ".join(value) if isinstance(value, list) else str(value)


def parameter_changes(before: Mapping[str, Any], after: Mapping[str, Any], without: set[str]) -> Iterator[str]:
    """``parameter rate 0.5 -> 0.7`` for each that differs."""
    old, new = flat(before), flat(after)
    for name in sorted({*old, *new} - without):
        if old.get(name) != new.get(name):
            yield f"parameter {name} {in_words(old.get(name))} -> {in_words(new.get(name))}"


def code_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Source files, by name, whose meaning differs: old identity against new."""
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"{name} is new code of it"
        elif name not in after:
            yield f"{name} is no longer code of it"
        elif before[name] != after[name]:
            yield f"{name} changed meaning, {before[name][:SHORT]} -> {after[name][:SHORT]}"
