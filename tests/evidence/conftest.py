"""Kept runs as repositories, and the crate of one: real receipts, made by real stages."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from prunemark.formats.journal import journal_path
from prunemark.formats.receipt import flags
from prunemark.plan import grid
from prunemark.plan.params_file import read_params

sys.path.insert(0, str(Path(__file__).parent))

from forgery import edit_json

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "examples/pruning"
LINKED = ("Snakefile", "constraints.txt", "workflow", "src")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept run of 743 stage runs where it was made: receipts, journals, scores and report; the larger artefacts
    are not kept."""
    folder = tmp_path_factory.mktemp("large")
    with tarfile.open(KEPT / "receipts.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for name in ("report.html", "results.csv", "landmarks.csv"):
        shutil.copyfile(KEPT / name, folder / "data/report" / name)
    shutil.copyfile(KEPT / "params.yaml", folder / "params.yaml")
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="session")
def finished(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One seed and two pruners of it. All receipts are real ones but the report's, whose inputs are cut to these."""
    folder = tmp_path_factory.mktemp("finished") / "repository"
    shutil.copytree(large, folder, symlinks=True, copy_function=os.link)
    yaml = YAML(typ="safe")
    asked = yaml.load(folder / "params.yaml")
    asked |= {"seeds": [0], "pruners": {"magnitude": {}, "random": {}}, "structured": {}}
    (folder / "params.yaml").unlink()
    yaml.dump(asked, folder / "params.yaml")
    params = read_params(folder / "params.yaml")
    kept = {str(step.folder) for step in grid.all_steps(params)}
    for path in sorted(folder.rglob("data/**/receipt.json")):
        place = path.parent.relative_to(folder)
        if place.as_posix() not in kept and place.parts[1] != "journal":
            shutil.rmtree(path.parent)
            (folder / journal_path(place)).unlink(missing_ok=True)

    def cut(receipt: dict[str, Any]) -> None:
        receipt["inputs"] = {name: digest for name, digest in receipt["inputs"].items() if (folder / name).is_file()}
        receipt["parameters"]["asked"] = params.digest(receipt["schema"])
        receipt["command"] = f"prunemark report {flags(receipt['parameters'])}"

    edit_json(folder / "data/report/receipt.json", cut)
    return folder


@pytest.fixture(scope="session")
def crate(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate of the small run as a folder. Nobody alters it: `tampered` is for that."""
    from prunemark.evidence.crate import write_crate

    out = tmp_path_factory.mktemp("crates") / "crate"
    with contextlib.chdir(finished):
        write_crate(out)
    return out


@pytest.fixture
def tampered(crate: Path, tmp_path: Path) -> Path:
    """A copy of the crate in linked files: replace them, never write into them."""
    shutil.copytree(crate, tmp_path / "crate", copy_function=os.link)
    return tmp_path / "crate"
