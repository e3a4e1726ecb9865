"""git, asked for what it holds: an object by the hash of its own content, never by one that replaces it."""

from __future__ import annotations

import os
import subprocess


def git(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a git command in the working directory; its exit status is the caller's to judge.

    Raises:
        OSError: there is no git.
    """
    environment = os.environ | {"GIT_NO_REPLACE_OBJECTS": "1"}
    return subprocess.run(["git", *arguments], input=stdin, capture_output=True, env=environment)
