"""Names are modules of a folder; constants are read without importing; settings are checked against them."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from prunemark import registry
from prunemark.errors import PrunemarkError

EVERY = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]


@pytest.mark.parametrize("kind", registry.KINDS)
def test_names_are_the_public_modules_of_the_folder(kind: str) -> None:
    modules = (module.name for module in pkgutil.iter_modules([str(registry.FOLDER / kind)]))
    expected = sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))
    assert list(registry.names(kind)) == expected
    assert expected


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_constants_read_are_those_of_the_module(kind: str, name: str) -> None:
    module = registry.load(kind, name)
    assert isinstance(module, ModuleType)
    assert module.__name__ == registry.module_name(kind, name)
    found = registry.constants(kind, name)
    assert found == {key: getattr(module, key) for key in found}
    assert ("SETTINGS" in found) == (kind != "encoders")


@pytest.mark.parametrize(("kind", "name"), [pair for pair in EVERY if pair[0] != "encoders"])
def test_defaults_complete_themselves(kind: str, name: str) -> None:
    defaults = registry.constants(kind, name)["SETTINGS"]
    needed = {key: "given" for key, value in defaults.items() if value is None}
    assert registry.complete(kind, name, needed) == {**defaults, **needed}
    for key in needed:
        with pytest.raises(PrunemarkError, match=rf"^{kind}\.{name}\.{key}: missing, and it has no default$"):
            registry.complete(kind, name, {})


def test_a_misspelt_name_lists_the_valid_ones() -> None:
    for act in (registry.module_name, registry.load, registry.constants):
        with pytest.raises(PrunemarkError) as caught:
            act("encoders", "resnet-18")
        assert str(caught.value) == "encoders: 'resnet-18' is not one of resnet18, resnet34, resnet50"


@pytest.mark.parametrize("name", ["_views", "__init__", "-views", "../mask", ""])
def test_shared_parts_are_no_names(name: str) -> None:
    with pytest.raises(PrunemarkError, match=r"^objectives: "):
        registry.load("objectives", name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tau": 1.0}, "objectives.simclr.tau: unknown setting; allowed: projection_dim, temperature"),
        ({"temperature": "1"}, "objectives.simclr.temperature: '1' is not allowed: a value of type float"),
        ({"temperature": True}, "objectives.simclr.temperature: True is not allowed: a value of type float"),
        ({"temperature": None}, "objectives.simclr.temperature: None is not allowed: a value of type float"),
        ({"projection_dim": 1.0}, "objectives.simclr.projection_dim: 1.0 is not allowed: a value of type int"),
        ({"projection_dim": False}, "objectives.simclr.projection_dim: False is not allowed: a value of type int"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PrunemarkError) as caught:
        registry.complete("objectives", "simclr", given)
    assert str(caught.value) == message


def test_completing_leaves_argument_and_defaults_alone() -> None:
    given: dict[str, Any] = {"temperature": 2}
    first = registry.complete("objectives", "simclr", given)
    first["temperature"] = 7.0
    assert given == {"temperature": 2}
    assert registry.complete("objectives", "simclr", {}) == {"temperature": 0.5, "projection_dim": 128}


def test_names_and_constants_import_no_torch() -> None:
    code = (
        "import sys; from prunemark import registry; "
        "[registry.constants(kind, name) for kind in registry.KINDS for name in registry.names(kind)]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
