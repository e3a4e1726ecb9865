"""Python processes that run this very package, wherever they are started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def environment(sources: Path = SOURCES) -> dict[str, str]:
    """Ours, in which ``prunemark`` is the package of ``sources`` and scripts are those of this interpreter."""
    paths = [str(sources), *filter(None, [os.environ.get("PYTHONPATH")])]
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": scripts}
