"""The chart library that the page carries with it: Vega, Vega-Lite and Vega-Embed in one script."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path

from prunemark.files import write_bytes

PACKAGE = "vl-convert-python"
CACHE = Path(".prunemark")
# Bundling takes seconds, so it is kept, and believed only where it is known what it must be.
KNOWN = {"1.9.0.post1": "3425bd951a44d478d0505c6b5d1e8d57656b6e9a4da7bfe88a718ce61d76e572"}


@functools.cache
def script() -> str:
    """The libraries as one script that sets ``vega``, ``vegaLite`` and ``vegaEmbed``."""
    installed = version(PACKAGE)
    kept = CACHE / f"vega-{installed}.js"
    if installed in KNOWN and kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == KNOWN[installed]:
            return content.decode()
    import vl_convert

    made: str = vl_convert.javascript_bundle(None)
    if hashlib.sha256(made.encode()).hexdigest() == KNOWN.get(installed):
        write_bytes(kept, made.encode())
    return made
