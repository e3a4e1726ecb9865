"""A process that has imported PyTorch once and forks for every stage of a build.

Importing PyTorch takes about 2 s, more than most cells compute. A build (`prunemark build`, or Snakemake with local
jobs) therefore starts one zygote; each stage command hands it its arguments, directory, environment and standard
streams, and waits for the exit status. The child is a fork that has run nothing but imports, so its results are those
of a process of its own. Without a zygote (a command by hand, a job on a cluster) the command runs where it is.
"""

from __future__ import annotations

import array
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADDRESS = "PRUNEMARK_ZYGOTE"
LARGEST_REQUEST = 1 << 20


@contextmanager
def started() -> Iterator[dict[str, str]]:
    """Start a zygote; yields the environment that leads commands to it. It ends with us, however we end."""
    with tempfile.TemporaryDirectory(prefix="prunemark-") as folder:
        address = str(Path(folder) / "zygote")
        ours, theirs = os.pipe()
        command = [sys.executable, "-m", "prunemark.zygote", address, str(ours)]
        process = subprocess.Popen(command, pass_fds=(ours,), stdin=subprocess.DEVNULL)
        os.close(ours)
        try:
            yield {ADDRESS: address}
        finally:
            os.close(theirs)
            process.kill()
            process.wait()


def serve(address: str, lifeline: int) -> None:
    """Fork for every request, until the other end of the pipe ``lifeline`` is closed."""
    started = time.time_ns()
    load_ahead()
    # Looking for garbage among what is loaded would copy all its pages in every child.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
        server.bind(address)
        os.utime(address, ns=(started, started))
        server.listen(64)
        ready.register(server, selectors.EVENT_READ)
        ready.register(lifeline, selectors.EVENT_READ)
        while True:
            if any(key.fd == lifeline for key, _ in ready.select()):
                return
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                os.close(lifeline)
                answer(connection)
            connection.close()


def load_ahead() -> None:
    """What stages import of other packages; of this one only what every stage but fetch imports, since what is loaded
    counts as code of every receipt."""
    import statistics  # noqa: F401

    import constriction  # noqa: F401
    import safetensors.torch  # noqa: F401
    import scipy.special  # noqa: F401
    import torch_pruning  # noqa: F401
    import tqdm  # noqa: F401
    from typer.main import get_command

    import prunemark.encoder  # noqa: F401
    from prunemark.cli import app

    # The first command line that is parsed imports as much again.
    some = ["--marked", "", "--pruned", "", "--threads", "1", "--out", ""]
    get_command(app).commands["latency"].make_context("latency", some)  # type: ignore[attr-defined]


def answer(connection: socket.socket) -> None:
    """In the child: take over the caller's arguments, directory, environment and streams, run, tell the status."""
    from prunemark.cli import run

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    content, streams, _, _ = socket.recv_fds(connection, LARGEST_REQUEST, 3)
    request = json.loads(content)
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    threading.Thread(target=end_with_caller, args=(connection,), daemon=True).start()
    try:
        status = run()
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(array.array("i", [status]).tobytes())
    os._exit(status)


def end_with_caller(connection: socket.socket) -> None:
    """A caller that was killed must not leave its work running."""
    if not connection.recv(1):
        os._exit(1)


def edited_since_start(address: Path, package: Path = Path(__file__).parent) -> bool:
    """Whether a source file is newer than what the zygote has imported (or there is no zygote): it must not answer
    then, for the receipt would name code that did not run.
    """
    try:
        started = address.stat().st_mtime_ns
    except OSError:
        return True
    return any(path.stat().st_mtime_ns >= started for path in package.rglob("*.py"))


def delegate() -> int | None:
    """Have the zygote run this command; its exit status, or ``None`` where there is no zygote to ask."""
    address = os.environ.get(ADDRESS)
    if not address or edited_since_start(Path(address)):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        request = {"arguments": sys.argv, "directory": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        status = connection.recv(4)
    return array.array("i", status)[0] if len(status) == 4 else 1


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
