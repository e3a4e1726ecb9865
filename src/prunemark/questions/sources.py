"""Where the files of a run are read from: a repository, a kept example, an archive; of a commit, `versions`."""

from __future__ import annotations

import csv
import functools
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from prunemark.errors import PrunemarkError
from prunemark.point import CELL
from prunemark.provenance.lineage import Read

REPORT = "data/report"
RESULTS = f"{REPORT}/results.csv"
LANDMARKS = f"{REPORT}/landmarks.csv"
ARCHIVE = "receipts.tar.xz"
PARAMS = "params.yaml"
FIRST_LINE = 2
Row = dict[str, str]


@dataclass(frozen=True)
class Run:
    """The files of a run by their names in the repository. ``name``: what it was asked for by; ``database``: where
    MLflow's may lie."""

    name: str
    read: Read
    database: Path | None = None

    @functools.cached_property
    def rows(self) -> list[Row]:
        """The rows of results.csv, in order: row i stands on line i + 2.

        Raises:
            PrunemarkError: there is no results.csv, or it is not one.
        """
        raw = self.read(RESULTS)
        if raw is None:
            raise PrunemarkError(f"{self.name}: no {RESULTS}")
        rows = rows_of(raw, f"{self.name}: {RESULTS}")
        if not rows or not {*CELL, "metric", "value"} <= {*rows[0]}:
            raise PrunemarkError(f"{self.name}: {RESULTS} does not have the columns of a results table")
        return rows


def rows_of(raw: bytes, name: str) -> list[Row]:
    """The rows of a CSV file that is called ``name`` in messages.

    Raises:
        PrunemarkError: it is none.
    """
    try:
        return list(csv.DictReader(io.StringIO(raw.decode())))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PrunemarkError(f"{name}: not a table of comma-separated values: {error}") from None


def folder_of(row: Row) -> str:
    """The scores folder that a row of results.csv comes from."""
    return "/".join(("data/scores", *(row[name] for name in CELL)))


def open_run(path: Path) -> Run:
    """The run at a path: a repository or its ``data/report``, a folder or archive with results.csv and receipts, or a
    results.csv.

    Raises:
        PrunemarkError: there is no such path, or no run is there.
    """
    if path.is_file() and path.name == "results.csv":
        path = path.parent
    if path.is_file():
        return Run(str(path), read_archive(path))
    if not path.is_dir():
        raise PrunemarkError(f"{path}: no such file or folder")
    if (path / RESULTS).is_file():
        return Run(str(path), read_repository(path), path / "mlflow.db")
    if path.resolve().as_posix().endswith(f"/{REPORT}") and (path / "results.csv").is_file():
        root = path.resolve().parents[1]
        return Run(str(path), read_repository(root), root / "mlflow.db")
    if (path / "results.csv").is_file():
        return Run(str(path), read_example(path))
    raise PrunemarkError(
        f"{path}: no results.csv there, nor in its {REPORT}; `prunemark build` makes it, `dvc pull` brings it"
    )


def read_repository(root: Path) -> Read:
    return lambda name: content(root / name)


def read_example(folder: Path) -> Read:
    """Of a kept example: params.yaml and the report's files lie in the folder itself, receipts and journals in the
    archive beside."""
    return of_example(lambda name: content(folder / name), str(folder))


def of_example(inside: Read, place: str) -> Read:
    """The files of a run from those ``inside`` the folder that keeps it."""

    @functools.cache
    def kept() -> dict[str, bytes]:
        raw = inside(ARCHIVE)
        return {} if raw is None else members(raw, f"{place}/{ARCHIVE}")

    def read(name: str) -> bytes | None:
        beside = name == PARAMS or name.startswith(f"{REPORT}/")
        own = inside(name.removeprefix(f"{REPORT}/")) if beside else None
        return kept().get(name) if own is None else own

    return read


def read_archive(path: Path) -> Read:
    """Of an archive of a repository's data, or of the files that a kept example has."""
    files = members(path.read_bytes(), str(path))
    return lambda name: files.get(name, files.get(name.removeprefix(f"{REPORT}/")))


def members(raw: bytes, place: str) -> dict[str, bytes]:
    """The files of a tar archive by name, without the folder that all of them share with ``data``."""
    try:
        with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
            files = {m.name: archive.extractfile(m) for m in archive if m.isfile()}
            found = {name.removeprefix("./"): file.read() for name, file in files.items() if file}
    except (tarfile.TarError, OSError, EOFError) as error:
        reason = str(error).split(":\n")[0] or type(error).__name__  # below it tarfile has a line for every method
        raise PrunemarkError(f"{place}: not an archive that can be read ({reason})") from None
    for name in found:
        above, data, _ = f"/{name}".partition("/data/")
        if data and above:
            return {n.removeprefix(f"{above[1:]}/"): raw for n, raw in found.items()}
    return found


def content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
