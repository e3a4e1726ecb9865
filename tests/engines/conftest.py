from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from audited import Audited
from repository import Repository


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The tiny grid, built from scratch by ``dvc repro``. Scenarios work on copies; nobody alters this one."""
    repository = Repository.tiny(tmp_path_factory.mktemp("built") / "repository")
    repository.run("dvc", "repro")
    repository.run("prunemark", "publish")
    return repository


@pytest.fixture
def copy(built: Repository, tmp_path: Path) -> Repository:
    """The built tiny grid in a folder of its own, with its caches and records."""
    shutil.copytree(built.folder, tmp_path / "copy", symlinks=True)
    return Repository(tmp_path / "copy")


@pytest.fixture
def audited(copy: Repository, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Audited:
    """Run the levels asked for in the copy, in this process: exit status and the lines it prints on stdout."""
    from prunemark.provenance.levels import Asked, run

    def look(asked: Asked | None = None) -> tuple[int, list[str]]:
        monkeypatch.chdir(copy.folder)
        for name, value in copy.environment().items():
            monkeypatch.setenv(name, value)
        # MLflow remembers a database by the text of its address, and every copy has one of its own.
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy.folder}/mlflow.db")
        capfd.readouterr()
        status = run(asked or Asked(), as_json=False)
        return status, capfd.readouterr().out.splitlines()

    return look
