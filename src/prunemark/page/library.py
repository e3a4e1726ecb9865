"""The chart library that the page carries with it: Vega, Vega-Lite and Vega-Embed in one script."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path

from prunemark.disk.files import write_bytes

PACKAGE = "vl-convert-python"
CACHE = Path(".prunemark")
SNIPPET = "window.vegaEmbed = vegaEmbed;"
# Bundling takes seconds, so it is kept, and believed only where it is known what it must be.
KNOWN = {"1.9.0.post1": "373b1f84072b31010f15ceb787be6b415c53936411aae267c8c2b2b6ccde46e7"}


@functools.cache
def script() -> str:
    """The libraries as one script, which sets ``vegaEmbed``."""
    installed = version(PACKAGE)
    kept = CACHE / f"vega-{installed}.js"
    if installed in KNOWN and kept.is_file():
        content = kept.read_bytes()
        if hashlib.sha256(content).hexdigest() == KNOWN[installed]:
            return content.decode()
    import vl_convert

    made: str = vl_convert.javascript_bundle(SNIPPET)
    if hashlib.sha256(made.encode()).hexdigest() == KNOWN.get(installed):
        write_bytes(kept, made.encode())
    return made
