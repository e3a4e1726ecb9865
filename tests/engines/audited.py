"""The type of the fixture that runs the audit, and what its lines say."""

from __future__ import annotations

from typing import Any, Protocol

from repository import Repository


class Audited(Protocol):
    def __call__(self, repository: Repository, asked: Any = None, beside: Any = None) -> tuple[int, list[str]]: ...


def holds(level: str, lines: list[str]) -> bool:
    """Whether a level was run and found nothing: its line is on stdout then, else on stderr."""
    return any(line.startswith(f"{level}: ") for line in lines)


def named(expected: str, lines: list[str]) -> bool:
    return any(line.startswith(expected) for line in lines)
