"""What a dvc.lock says lies in its output folders, file by file, and DVC's cached bytes of each."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path

from prunemark.engine.sweep import cache_folder, md5_of
from prunemark.errors import PrunemarkError


class Tracked:
    """The outputs of a dvc.lock, whose listings and files are in the local cache.

    Raises:
        PrunemarkError: there is no cache, or it does not hold what is asked for.
    """

    def __init__(self, lock: bytes) -> None:
        from ruamel.yaml import YAML

        found = cache_folder()
        if found is None:
            raise PrunemarkError("`dvc cache dir` names no cache to take its data from")
        self.cache = found
        stages = YAML(typ="safe").load(io.BytesIO(lock))["stages"].values()
        self.outs: dict[str, str] = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}

    @functools.cached_property
    def files(self) -> dict[str, str]:
        """MD5 of every file, by its path."""
        return {name: md5 for out in self.outs for name, md5 in self.listing(out).items()}

    def listing(self, out: str) -> dict[str, str]:
        """MD5 of every file of an output folder, by its path."""
        return {f"{out}/{file['relpath']}": file["md5"] for file in json.loads(self.cached(self.outs[out], out))}

    def read(self, name: str) -> bytes | None:
        """A file's bytes; ``None`` where it is not an output."""
        return self.cached(self.files[name], name) if name in self.files else None

    def cached(self, md5: str, name: str) -> bytes:
        try:
            return (self.cache / "files" / "md5" / md5[:2] / md5[2:]).read_bytes()
        except OSError:
            message = f"{name}: DVC's cache does not hold it; `dvc fetch --all-commits` brings it"
            raise PrunemarkError(message) from None


def altered_files(folders: set[str]) -> dict[str, list[str]]:
    """The files of output folders that are not there as dvc.lock says, and those that it does not name, by folder;
    ``dvc status`` names folders alone. Nothing where the cache does not hold a folder's listing.
    """
    try:
        tracked = Tracked(Path("dvc.lock").read_bytes())
        listed = {folder: tracked.listing(folder) for folder in folders & set(tracked.outs)}
    except PrunemarkError:
        return {}
    return {
        folder: sorted({name for name, md5 in files.items() if not matches(name, md5)} | beside(folder, files))
        for folder, files in listed.items()
    }


def matches(name: str, md5: str) -> bool:
    return Path(name).is_file() and md5_of(Path(name)) == md5


def beside(folder: str, files: dict[str, str]) -> set[str]:
    """The files that lie in an output folder without being of it."""
    return {path.as_posix() for path in Path(folder).rglob("*") if path.is_file()} - set(files)
