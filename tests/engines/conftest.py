from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock

sys.path.insert(0, str(Path(__file__).parent))

from audited import Audited

from repository import Repository

# What the first level asks others about, which takes all of its time, and what it does not read.
OTHERS = ("dvc.lock", "cache", "mlflow.db", ".snakemake", ".prunemark", "examples", "tests", "logs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The grid that these tests share takes a while to build: one worker begins with it, so that no other waits."""
    first = next((item.path for item in items if item.path.parent == Path(__file__).parent), None)
    items.sort(key=lambda item: item.path != first)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The tiny grid, built from scratch by ``dvc repro``, once for all workers. Scenarios work on copies; nobody alters
    this one."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "built"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            repository = Repository.tiny(folder.with_suffix(".partial") / "repository")
            repository.run("dvc", "repro")
            repository.run("prunemark", "publish")
            repository.git("gc", "--quiet")  # one file for hundreds, in every copy
            repository.folder.parent.rename(folder)
    return Repository(folder / "repository")


@pytest.fixture
def copy(built: Repository, tmp_path: Path) -> Repository:
    """The built tiny grid in a folder of its own, with its caches and records."""
    shutil.copytree(built.folder, tmp_path / "copy", symlinks=True)
    return Repository(tmp_path / "copy")


@pytest.fixture
def kept(built: Repository, tmp_path: Path) -> Repository:
    """The built tiny grid as its files and commits alone: neither DVC nor MLflow is there to contradict a forger."""
    shutil.copytree(built.folder, tmp_path / "kept", symlinks=True, ignore=shutil.ignore_patterns(*OTHERS))
    return Repository(tmp_path / "kept")


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Audited:
    """Run the levels asked for in a repository, in this process: exit status and the lines it prints on stdout."""
    from prunemark.provenance.levels import Asked, Level, run

    def look(repository: Repository, asked: Asked | None = None, beside: Level | None = None) -> tuple[int, list[str]]:
        monkeypatch.chdir(repository.folder)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for name, value in repository.environment().items():
            monkeypatch.setenv(name, value)
        database = repository.folder / "mlflow.db"
        if database.is_file():
            # MLflow remembers a database by the text of its address, and every copy has one of its own.
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        capfd.readouterr()
        status = run(asked or Asked(), False, beside)
        return status, capfd.readouterr().out.splitlines()

    return look
