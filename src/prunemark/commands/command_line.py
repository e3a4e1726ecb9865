"""The command line as a whole, and the status that it ends with."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from typing import cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from prunemark.commands import (
    build_commands,
    encoder_commands,
    evidence_commands,
    question_commands,
    stage_commands,
    streams,
)
from prunemark.commands.answers import Answer
from prunemark.errors import PrunemarkError

PARTS = (build_commands, question_commands, evidence_commands, encoder_commands, stage_commands)


@functools.cache
def command_line() -> TyperGroup:
    """All commands, as if they were written in one place."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    for part in PARTS:
        app.add_typer(part.app)
    return cast(TyperGroup, get_command(app))


def run() -> int:
    """Run the command line; returns its exit status: an expected failure is one line on stderr and status 2. What
    becomes of standard output never changes the status of an answer."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    lost = streams.forgive()
    status, answered = ended()
    sys.stdout.flush()
    if lost:
        print(f"prunemark: standard output: {lost[0].strerror}", file=sys.stderr)
    return status or (2 if lost and not answered else 0)


def ended() -> tuple[int, bool]:
    """The status that the command line ends with, and whether that is an answer."""
    try:
        command_line()(prog_name="prunemark")
    except PrunemarkError as error:
        print(f"prunemark: {error}", file=sys.stderr)
        return 2, False
    except Answer as answer:
        return answer.status, True
    except Exception:  # status 1 is an answer: "no", "altered", "does not chain"
        traceback.print_exc()
        return 2, False
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None), False
    return 0, False
