"""What a forger does to a crate: replace files, and make the hashes consistent again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prunemark.evidence.verify import MANIFEST

Edit = Callable[[dict[str, Any]], None]
UNLISTED = (MANIFEST, f"{MANIFEST}.sig")


def put(path: Path, content: bytes) -> None:
    """Replace a file: its links elsewhere keep theirs."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def canonical(content: Any) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def edit_json(path: Path, edit: Edit) -> None:
    content = json.loads(path.read_bytes())
    edit(content)
    put(path, canonical(content))


def list_anew(crate: Path) -> None:
    """The manifest of the files as they are now."""
    files = sorted(path for path in crate.rglob("*") if path.is_file() and path.name not in UNLISTED)
    lines = [f"{sha256(path)}  {path.relative_to(crate).as_posix()}\n" for path in files]
    put(crate / MANIFEST, "".join(lines).encode())


def forge_from(root: Path, folder: str, edit: Edit) -> None:
    """Edit the receipt of ``folder``, and let every receipt that leads on from it say the new hashes."""
    edit_json(root / folder / "receipt.json", edit)
    paths = [path for path in root.rglob("data/**/receipt.json") if "journal" not in path.relative_to(root).parts]
    texts = {path: path.read_text() for path in paths}
    waiting = [root / folder / "receipt.json"]
    old = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
    # The receipt was edited before it was read: what others say of it is its hash of before.
    name = f"{folder}/receipt.json"
    old[waiting[0]] = next(d for t in texts.values() for p, d in json.loads(t)["inputs"].items() if p == name)
    while waiting:
        path = waiting.pop(0)
        new = hashlib.sha256(texts[path].encode()).hexdigest()
        for other, text in texts.items():
            if other != path and old[path] in text:
                texts[other] = text.replace(old[path], new)
                waiting.append(other)
        old[path] = new
    for path, text in texts.items():
        if path.read_text() != text:
            put(path, text.encode())


def zipped(crate: Path, out: Path) -> zipfile.ZipFile:
    """A zip of a folder's files, still open for more."""
    archive = zipfile.ZipFile(out, "w")
    for path in sorted(path for path in crate.rglob("*") if path.is_file()):
        archive.write(path, path.relative_to(crate))
    return archive
