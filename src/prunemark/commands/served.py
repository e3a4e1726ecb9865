"""The process of the fork server: it runs the command line.

Nothing is imported before the server listens, so that the first callers find it.
"""

from __future__ import annotations

import sys

from prunemark.engine.forkserver import serve


def load_ahead() -> None:
    """What stages import of other packages; of this one only what every stage but fetch imports, since what is loaded
    counts as code of every receipt."""
    import statistics  # noqa: F401

    import constriction  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.optimize
    import scipy.special  # noqa: F401
    import torch_pruning  # noqa: F401
    import tqdm  # noqa: F401

    import prunemark.disk.tensors  # noqa: F401
    from prunemark import registry
    from prunemark.commands.command_line import command_line
    from prunemark.receipts.identities import identities
    from prunemark.receipts.recorder import installed_versions

    installed_versions()
    # Every receipt names the meaning of its code; what is parsed here is parsed once.
    identities({path.as_posix(): path.read_bytes() for path in registry.PACKAGE.rglob("*.py")})
    # The first command line that is parsed imports as much again.
    some = ["--marked", "", "--pruned", "", "--threads", "1", "--out", ""]
    command_line().commands["latency"].make_context("latency", some)


def run() -> int:
    from prunemark.commands.command_line import run as run_command_line

    return run_command_line()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), load_ahead, run)
