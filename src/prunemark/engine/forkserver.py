"""A process that has imported PyTorch once and forks for every stage of a build.

Importing PyTorch takes about 2 s, more than most cells compute. A build (`prunemark build`, or Snakemake with local
jobs) therefore starts one fork server; each stage command hands it its arguments, directory, environment and standard
streams, and waits for the exit status. The child is a fork that has run nothing but imports, so its results are those
of a process of its own. Without a fork server (a command by hand, a job on a cluster) the command runs where it is.
"""

from __future__ import annotations

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
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prunemark.engine.forkserver_client import ADDRESS

SERVER = "prunemark.commands.served"
LARGEST_REQUEST = 1 << 20


@contextmanager
def started(environment: dict[str, str] | None = None) -> Iterator[dict[str, str]]:
    """Start a fork server; yields what leads commands to it. It ends with us, however we end.

    In another ``environment`` than ours it runs other sources, and believes nothing that lies in this directory.
    """
    with tempfile.TemporaryDirectory(prefix="prunemark-") as folder:
        address = str(Path(folder) / "forkserver")
        ours, theirs = os.pipe()
        command = [sys.executable, "-m", SERVER, address, str(ours)]
        place = folder if environment else None
        process = subprocess.Popen(command, env=environment, cwd=place, pass_fds=(ours,), stdin=subprocess.DEVNULL)
        os.close(ours)
        try:
            yield {ADDRESS: address}
        finally:
            os.close(theirs)
            process.kill()
            process.wait()


def serve(address: str, lifeline: int, load_ahead: Callable[[], None], run: Callable[[], int]) -> None:
    """Load ahead, then fork and ``run`` for every request, until the other end of the pipe ``lifeline`` is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
        # Before loading: the first callers then wait, which takes less than to load by themselves beside us.
        server.bind(address)
        server.listen(64)
        load_ahead()
        # Looking for garbage among what is loaded would copy all its pages in every child.
        gc.freeze()
        ready.register(server, selectors.EVENT_READ)
        ready.register(lifeline, selectors.EVENT_READ)
        while True:
            if any(key.fd == lifeline for key, _ in ready.select()):
                return
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                os.close(lifeline)
                answer(connection, run)
            connection.close()


def answer(connection: socket.socket, run: Callable[[], int]) -> None:
    """In the child: take over the caller's arguments, directory, environment and streams, run, tell the status."""
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
    connection.sendall(status.to_bytes(4, sys.byteorder, signed=True))
    os._exit(status)


def end_with_caller(connection: socket.socket) -> None:
    """A caller that was killed must not leave its work running."""
    if not connection.recv(1):
        os._exit(1)
