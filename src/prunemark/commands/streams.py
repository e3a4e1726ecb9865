"""Standard output and error whose readers may leave early: a closed pipe must not change the status of an answer."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

READERS_LEFT = (errno.EPIPE, errno.ECONNRESET)


class Forgiving(io.FileIO):
    """A stream that swallows what cannot be written, from the first error on; ``failures`` holds an error that is no
    closed pipe."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        self.failures: list[OSError] = []

    def write(self, content: Any) -> int:
        view = memoryview(content)
        try:
            return super().write(view) or 0
        except OSError as error:
            if error.errno not in READERS_LEFT:
                self.failures.append(error)
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self.fileno())
            os.close(devnull)
            return view.nbytes


def forgive() -> list[OSError]:
    """Make both streams of this process forgiving, and open those that were closed before it started. Returns where
    failures of standard output will stand."""
    open_closed()
    failures: list[OSError] = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):  # a test captures it
            continue
        stream.flush()
        raw = Forgiving(stream.fileno())
        buffered = name == "stdout" and not raw.isatty()
        writer = io.BufferedWriter(raw)
        setattr(sys, name, io.TextIOWrapper(writer, stream.encoding, stream.errors, line_buffering=not buffered))
        if name == "stdout":
            failures = raw.failures
    return failures


def open_closed() -> None:
    """Where a standard stream is closed, the next file that is opened would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            devnull = os.open(os.devnull, os.O_RDWR)
            if devnull != number:
                os.dup2(devnull, number)
                os.close(devnull)
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
            setattr(sys, f"__{name}__", getattr(sys, name))
