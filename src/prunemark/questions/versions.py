"""The run of a commit: through git where git tracks it, through DVC's lock and cache where DVC does."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from prunemark.errors import PrunemarkError
from prunemark.provenance.lineage import Read
from prunemark.questions.sources import RESULTS, Run, of_example, open_run

OBJECT = re.compile(rb"[0-9a-f]+ blob (\d+)")


def open_version(name: str) -> Run:
    """The run at a path (see `open_run`), of a commit, or in a folder of a commit: ``COMMIT:examples/pruning``.

    Raises:
        PrunemarkError: it is neither, or its files can be had from neither git nor DVC's cache.
    """
    if Path(name).exists():
        return open_run(Path(name))
    revision, _, inside = name.partition(":")
    commit = commit_of(revision)
    if commit is None:
        raise PrunemarkError(f"{name}: neither a path nor a commit; allowed: a run's folder, COMMIT or COMMIT:folder")
    if inside:
        folder = inside.removesuffix("/results.csv").rstrip("/")
        return Run(name, of_example(lambda file: blob(commit, f"{folder}/{file}"), name))
    if (lock := blob(commit, "dvc.lock")) is not None:
        return Run(name, read_dvc(lock, name))
    if blob(commit, RESULTS) is not None:
        return Run(name, lambda file: blob(commit, file))
    listed = git("ls-tree", "-r", "--name-only", commit).stdout.decode().split()
    kept = [f"{name}:{file.removesuffix('/results.csv')}" for file in listed if file.endswith("/results.csv")]
    raise PrunemarkError(f"{name}: has no dvc.lock and no {RESULTS}; runs kept there: {', '.join(kept) or 'none'}")


def read_dvc(lock: bytes, name: str) -> Read:
    """The files that a ``dvc.lock`` names, from the local cache."""
    from ruamel.yaml import YAML

    from prunemark.provenance.sweep import cache_folder

    cache = cache_folder()
    if cache is None:
        raise PrunemarkError(f"{name}: `dvc cache dir` names no cache to take its data from")
    stages = YAML(typ="safe").load(io.BytesIO(lock))["stages"].values()
    outs = {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}

    def cached(md5: str, path: str) -> bytes:
        try:
            return (cache / "files" / "md5" / md5[:2] / md5[2:]).read_bytes()
        except OSError:
            raise PrunemarkError(
                f"{path} of {name}: DVC's cache does not hold it; `dvc fetch --all-commits` brings it"
            ) from None

    @functools.cache
    def listing(out: str) -> dict[str, str]:
        return {file["relpath"]: file["md5"] for file in json.loads(cached(outs[out], out))}

    def read(file: str) -> bytes | None:
        out = next((out for out in outs if file.startswith(f"{out}/")), None)
        md5 = listing(out).get(file.removeprefix(f"{out}/")) if out else None
        return None if md5 is None else cached(md5, file)

    return read


def commit_of(name: str) -> str | None:
    done = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def blob(commit: str, path: str) -> bytes | None:
    """A file as a commit has it."""
    done = git("cat-file", "blob", f"{commit}:{path}")
    return done.stdout if done.returncode == 0 else None


def blob_hashes(commit: str, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files as a commit has them, by name; a file that it does not have is left out."""
    ordered = sorted(names)
    asked = "".join(f"{commit}:{name}\n" for name in ordered).encode()
    raw, found, at = git("cat-file", "--batch", given=asked).stdout, {}, 0
    for name in ordered:
        end = raw.index(b"\n", at)
        header = OBJECT.fullmatch(raw[at:end])
        at = end + 1
        if header:
            size = int(header[1])
            found[name] = hashlib.sha256(raw[at : at + size]).hexdigest()
            at += size + 1
    return found


def git(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], input=given, capture_output=True, check=False)
    except OSError as error:
        raise PrunemarkError(f"git: {error.strerror}; commits are asked for through it") from None
