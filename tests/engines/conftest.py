from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

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
