"""The caller's side of the fork server: every stage command of a build pays for what this imports."""

from __future__ import annotations

import json
import os
import socket
import sys

ADDRESS = "PRUNEMARK_FORKSERVER"


def delegate() -> int | None:
    """Have the fork server run this command; its exit status, or ``None`` where there is no fork server to ask."""
    address = os.environ.get(ADDRESS)
    if not address or edited_since_start(address):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:
            return None
        request = {"arguments": sys.argv, "directory": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        status = connection.recv(4)
    return int.from_bytes(status, sys.byteorder, signed=True) if len(status) == 4 else 1


def edited_since_start(address: str, package: str = os.path.dirname(os.path.dirname(__file__))) -> bool:
    """Whether a source file is newer than what the fork server has imported (or there is none): it must not answer
    then, for the receipt would name code that did not run.
    """
    try:
        started = os.stat(address).st_mtime_ns
    except OSError:
        return True
    sources = (os.path.join(path, name) for path, _, names in os.walk(package) for name in names if name[-3:] == ".py")
    return any(os.stat(source).st_mtime_ns >= started for source in sources)
