"""What a page under docs/ tells its reader to do, read from its text: files to write, and lines to replace."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# "`src/x.py`:", with or without words before it, and the block that follows.
FILE = re.compile(r"`([^`\n]+)`:\n\n```(?:python|snakemake|yaml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EDIT = re.compile(r"`([^`\n]+)`:\n\n```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def scratch(folder: Path) -> Path:
    """A copy of the sources in ``folder``, which a page may be tried on."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    return folder


def follow(page: str, folder: Path) -> list[str]:
    """Do in ``folder`` what the page says: write its files and make its edits; returns the paths concerned.

    An edit is a run of lines with "-", which must stand in the file once, and the lines with "+" that take their place.
    """
    text = (DOCS / page).read_text()
    touched = []
    for name, content in FILE.findall(text):
        path = folder / name
        assert not path.exists(), f"{page}: {name} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        touched.append(name)
    for name, block in EDIT.findall(text):
        path = folder / name
        for old, new in replacements(block):
            now = path.read_text()
            assert now.count(old) == 1, f"{page}: {name} does not hold once:\n{old}"
            path.write_text(now.replace(old, new))
        touched.append(name)
    return touched


def replacements(block: str) -> list[tuple[str, str]]:
    """(old, new) for each run of "-" lines with the "+" lines after it."""
    found: list[tuple[list[str], list[str]]] = []
    last = "+"
    for line in block.splitlines():
        sign, rest = line[:1], line[1:]
        assert sign in "+-", f"a line of an edit begins with + or -: {line!r}"
        if sign == "-" and last == "+":
            found.append(([], []))
        found[-1][sign == "+"].append(rest)
        last = sign
    return [("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)) for old, new in found]
