"""The entry point: within a build the fork server runs the command, otherwise this process does."""

from __future__ import annotations

import sys

from prunemark.engine.forkserver_client import delegate


def main() -> None:
    status = delegate()
    if status is None:
        # Only now: the command line costs more to import than a delegated command takes.
        from prunemark.commands.command_line import run

        status = run()
    sys.exit(status)


if __name__ == "__main__":
    main()
