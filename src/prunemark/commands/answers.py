"""What a question of a user ends with: an answer in print, and a verdict as exit status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

ForMachines = Annotated[bool, typer.Option("--json", help="everything, for machines")]


class Answer(SystemExit):
    """Ends a command with a verdict: status 0 for yes, 1 for no."""

    def __init__(self, yes: bool) -> None:
        self.status = int(not yes)
        super().__init__(self.status)


def say(answer: dict[str, Any] | Iterable[str]) -> None:
    """Print an answer: facts as JSON, words line by line."""
    from prunemark.disk.files import canonical_json

    if isinstance(answer, dict):
        print(canonical_json(answer), end="")
    else:
        for line in answer:
            print(line)
