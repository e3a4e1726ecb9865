"""Code as an input: a sub-command depends on what it imports and on its own methods, and on no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import prunemark
from prunemark import closure, methods
from prunemark.record import NOT_CODE

ROOT = Path(prunemark.__file__).resolve().parents[2]
COMMANDS = (
    "fetch",
    "train",
    "watermark",
    "check",
    "prune",
    "shrink",
    "alter",
    "evaluate",
    "latency",
    "control",
    "report",
)
RESNET, SIMCLR = ("encoders", "resnet18"), ("objectives", "simclr")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """grimp's cache lands in the working directory."""
    monkeypatch.chdir(tmp_path)


def named(*modules: str) -> set[str]:
    return {f"src/prunemark/{module}.py" for module in modules}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_closure_is_sorted_and_holds_its_stage_with_all_parents(command: str) -> None:
    found = closure.files(command, ())
    assert list(found) == sorted(found)
    assert all((ROOT / name).is_file() for name in found)
    assert named(f"stages/{command}", "stages/__init__", "__init__", "record", "errors", "files") <= set(found)
    excluded = named(*(module.removeprefix("prunemark.").replace(".", "/") for module in NOT_CODE), "build", "lock")
    assert not excluded & set(found)
    assert not any("/provenance/" in name for name in found)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_method_is_in_a_closure_that_does_not_name_it(command: str) -> None:
    for kind in methods.KINDS:
        public = {
            f"src/prunemark/{methods.module_name(kind, name).removeprefix('prunemark.').replace('.', '/')}.py"
            for name in methods.names(kind)
        }
        assert not public & set(closure.files(command, ()))


def test_a_method_adds_itself_its_shared_parts_and_its_package() -> None:
    bare, used = set(closure.files("train", ())), set(closure.files("train", (RESNET, SIMCLR)))
    assert used - bare == named(
        "encoders/__init__", "encoders/_resnet", "encoders/resnet18",
        "objectives/__init__", "objectives/_views", "objectives/simclr",
    )  # fmt: skip


@pytest.mark.parametrize("name", methods.names("pruners"))
def test_editing_a_pruner_retrains_nothing_and_concerns_no_other(name: str) -> None:
    path = f"src/prunemark/pruners/{name.replace('-', '_')}.py"
    assert path not in closure.files("train", (RESNET, SIMCLR))
    for other in methods.names("pruners"):
        assert (path in closure.files("prune", (RESNET, ("pruners", other)))) == (other == name)


def test_the_import_graph_is_that_of_a_real_import() -> None:
    """The stages import all they need when they are imported themselves, so that a fresh process shows the closure."""
    code = (
        "import importlib, sys; from prunemark import methods; from prunemark.record import loaded_code, source_name; "
        "from pathlib import Path; importlib.import_module('prunemark.stages.prune'); "
        "methods.load('encoders', 'resnet18'); methods.load('pruners', 'random'); "
        "print(*(source_name(path, Path.cwd()) for path in loaded_code()), sep='\\n')"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert list(closure.files("prune", (RESNET, ("pruners", "random")))) == sorted(printed.split())
