"""Python processes that run this very package, wherever they are started."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def copied(folder: Path) -> Path:
    """Copy the package without its compiled files, which no receipt names and Python would run in place of a source;
    returns the new directory of sources."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    return Path(shutil.copytree(SOURCES / "prunemark", folder / SOURCES.name / "prunemark", ignore=ignored)).parent


def environment(sources: Path = SOURCES) -> dict[str, str]:
    """Ours, in which ``prunemark`` is the package of ``sources`` and scripts are those of this interpreter."""
    paths = [str(sources), *filter(None, [os.environ.get("PYTHONPATH")])]
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PATH": scripts}
