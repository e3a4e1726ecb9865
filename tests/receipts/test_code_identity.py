"""Code as an input: a sub-command depends on what it imports and on its own methods, and on no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import prunemark
from prunemark import registry
from prunemark.receipts import code_identity
from prunemark.receipts.recorder import NOT_CODE

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
    found = code_identity.files(command, ())
    assert list(found) == sorted(found)
    assert all((ROOT / name).is_file() for name in found)
    parents = ("stages/__init__", "receipts/__init__", "disk/__init__", "__init__")
    assert named(f"stages/{command}", *parents, "receipts/recorder", "formats/receipt", "errors", "disk/files") <= set(
        found
    )
    rooms = [f"src/{room.replace('.', '/')}" for room in NOT_CODE] + ["src/prunemark/provenance"]
    assert not [
        name for name in found if name.startswith((*(f"{room}/" for room in rooms), *(f"{room}." for room in rooms)))
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_method_is_in_a_closure_that_does_not_name_it(command: str) -> None:
    for kind in registry.KINDS:
        public = {
            f"src/prunemark/{registry.module_name(kind, name).removeprefix('prunemark.').replace('.', '/')}.py"
            for name in registry.names(kind)
        }
        assert not public & set(code_identity.files(command, ()))


def test_a_method_adds_itself_its_shared_parts_and_its_package() -> None:
    bare, used = set(code_identity.files("train", ())), set(code_identity.files("train", (RESNET, SIMCLR)))
    assert used - bare == named(
        "methods/__init__",
        "methods/encoders/__init__", "methods/encoders/_resnet", "methods/encoders/resnet18",
        "methods/objectives/__init__", "methods/objectives/_views", "methods/objectives/simclr",
    )  # fmt: skip


@pytest.mark.parametrize("name", registry.names("pruners"))
def test_editing_a_pruner_retrains_nothing_and_concerns_no_other(name: str) -> None:
    path = f"src/prunemark/methods/pruners/{name.replace('-', '_')}.py"
    assert path not in code_identity.files("train", (RESNET, SIMCLR))
    for other in registry.names("pruners"):
        assert (path in code_identity.files("prune", (RESNET, ("pruners", other)))) == (other == name)


def test_the_import_graph_is_that_of_a_real_import() -> None:
    """The stages import all they need when they are imported themselves, so that a fresh process shows the closure."""
    code = (
        "import importlib, sys; from prunemark import registry; from prunemark.receipts.recorder import loaded_code, source_name; "
        "from pathlib import Path; importlib.import_module('prunemark.stages.prune'); "
        "registry.load('encoders', 'resnet18'); registry.load('pruners', 'random'); "
        "print(*(source_name(path, Path.cwd()) for path in loaded_code()), sep='\\n')"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert list(code_identity.files("prune", (RESNET, ("pruners", "random")))) == sorted(printed.split())
