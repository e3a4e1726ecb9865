"""Remove what params.yaml no longer names, as long as DVC's cache holds its bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from prunemark.disk.files import PARTIAL
from prunemark.formats.journal import JOURNAL, journal_path
from prunemark.plan import folders, grid
from prunemark.plan.params import Params
from prunemark.receipts.acceptance import acceptances

DATA = Path("data")
README = DATA / "README.md"  # git's; whether it is what HEAD has is the audit's to say


def expected_files(params: Params) -> set[str]:
    """Every file that may lie under data/: the outputs of all steps, and their journal entries."""
    steps = grid.all_steps(params)
    accepted = {acceptance.path.as_posix() for acceptance in acceptances()}
    return (
        {path for step in steps for path in step.outputs}
        | accepted
        | {journal_path(Path(step.folder)).as_posix() for step in steps}
    )


def unexpected_files(params: Params, roots: list[Path]) -> Iterator[Path]:
    expected = expected_files(params)
    for folder in roots:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.as_posix() not in expected and path != README and not written_by_dvc(path):
                yield path


def written_by_dvc(path: Path) -> bool:
    """Whether a file is what DVC keeps beside its outputs: a .gitignore that names them and nothing else."""
    outputs = {f"/{name}".encode() for name in (*folders.FOLDERS.values(), JOURNAL.name)}
    return path == DATA / ".gitignore" and set(path.read_bytes().splitlines()) <= outputs


def sweep(params: Params, stages: list[str]) -> None:
    """Delete the unexpected files of these stages' folders and of their journals, and folders left empty.

    A file whose bytes the DVC cache does not hold stays, and is named on stderr: nothing that was computed is lost.
    Halves of killed writes (``.partial``) are nobody's and always go.
    """
    names = [folders.FOLDERS[stage] for stage in stages]
    swept = [DATA / name for name in names] + [JOURNAL / name for name in names]
    found = list(unexpected_files(params, swept))
    cache = cache_folder() if any(path.suffix != PARTIAL for path in found) else None
    for path in found:
        if path.suffix == PARTIAL or (cache and in_cache(path, cache)):
            path.unlink()
        else:
            print(f"prunemark: {path}: kept, though params.yaml does not name it: DVC's cache does not hold its bytes; "
                  "delete it by hand if you do not want it", file=sys.stderr)  # fmt: skip
    for folder in swept:
        remove_empty(folder)


def cache_folder() -> Path | None:
    done = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], capture_output=True, text=True)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def in_cache(path: Path, cache: Path) -> bool:
    digest = md5_of(path)
    return (cache / "files" / "md5" / digest[:2] / digest[2:]).is_file()


def md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
