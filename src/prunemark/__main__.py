"""The entry point: within a build the zygote runs the command, otherwise this process does."""

from __future__ import annotations

import sys

from prunemark.delegate import delegate


def main() -> None:
    status = delegate()
    if status is None:
        # Only now: the command line costs more to import than a delegated command takes.
        from prunemark.cli import run

        status = run()
    sys.exit(status)


if __name__ == "__main__":
    main()
