"""Validate a crate with roc-validator, without a network: ``python validate_crate.py CRATE``, in an environment of its
own (`make crate-check` makes one), since the validator pins what prunemark uses otherwise.

The one JSON-LD context that a crate names is that of RO-Crate 1.1. The package rocrate 0.13 has a copy of it, which is
put into the validator's cache as if it had been fetched.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from requests import Request, Response
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "workflow-run-crate-0.5"


def fetched(content: bytes) -> Response:
    """The context as the answer to a request for it."""
    response = Response()
    response.status_code, response.url, response._content = 200, CONTEXT, content
    response.headers["Content-Type"] = "application/ld+json"
    response.request = Request("GET", CONTEXT).prepare()
    response.raw = HTTPResponse(BytesIO(content), dict(response.headers), 200, request_url=CONTEXT)
    return response


def context_of_package() -> bytes:
    found = importlib.util.find_spec("rocrate")
    if found is None or found.origin is None:
        sys.exit("rocrate 0.13 is not installed: pip install roc-validator rocrate==0.13.0")
    content = (Path(found.origin).parent / "data/ro-crate.jsonld").read_bytes()
    if CONTEXT.encode() not in content:
        sys.exit("rocrate holds another context than that of RO-Crate 1.1: pip install rocrate==0.13.0")
    return content


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
            session.cache.save_response(fetched(context_of_package()))
        validator = Path(sys.executable).with_name("rocrate-validator")
        options = ("--no-paging", "--verbose", "--offline", "--cache-path", str(cache), "-p", PROFILE, *sys.argv[2:])
        return subprocess.run([validator, "-y", "validate", *options, sys.argv[1]]).returncode


if __name__ == "__main__":
    sys.exit(main())
