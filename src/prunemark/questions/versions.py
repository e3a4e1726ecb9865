"""The run of a commit: through git where git tracks it, through DVC's lock and cache where DVC does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prunemark.disk.git import git
from prunemark.errors import PrunemarkError
from prunemark.provenance.dvc_files import Tracked
from prunemark.questions.sources import RESULTS, Run, of_example, open_run


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
        return Run(name, Tracked(lock).read)
    if blob(commit, RESULTS) is not None:
        return Run(name, lambda file: blob(commit, file))
    listed = ask_git("ls-tree", "-r", "--name-only", commit).stdout.decode().split()
    kept = [f"{name}:{file.removesuffix('/results.csv')}" for file in listed if file.endswith("/results.csv")]
    raise PrunemarkError(f"{name}: has no dvc.lock and no {RESULTS}; runs kept there: {', '.join(kept) or 'none'}")


def commit_of(name: str) -> str | None:
    done = ask_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def blob(commit: str, path: str) -> bytes | None:
    """A file as a commit has it."""
    done = ask_git("cat-file", "blob", f"{commit}:{path}")
    return done.stdout if done.returncode == 0 else None


def ask_git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return git(*arguments)
    except OSError as error:
        raise PrunemarkError(f"git: {error.strerror}; commits are asked for through it") from None
