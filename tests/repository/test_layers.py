"""The rooms of pyproject.toml are all there are, and every import that they forbid between two of them is noticed."""

from __future__ import annotations

import tomllib
from itertools import product
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "prunemark"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
LAYERS = next(contract for contract in CONTRACTS if contract["type"] == "layers")
LEVELS = [[f"{PACKAGE}.{room.strip()}" for room in line.split("|")] for line in LAYERS["layers"]]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
FORBIDDEN = [
    (importer, imported)
    for importer, imported in product(LEVEL, LEVEL)
    if importer != imported and LEVEL[importer] >= LEVEL[imported]
]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=str(tmp_path_factory.mktemp("grimp")))


def illegal(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Pairs of rooms, importer first, between which there is an import that the layers forbid."""
    layers = [grimp.Layer(*(room.removeprefix(f"{PACKAGE}.") for room in level), independent=True) for level in LEVELS]
    found = graph.find_illegal_dependencies_for_layers(layers, containers={PACKAGE})
    return {(dependency.importer, dependency.imported) for dependency in found}


def test_every_room_has_its_place(graph: grimp.ImportGraph) -> None:
    assert LAYERS["exhaustive"] is True
    assert not any("ignore_imports" in contract for contract in CONTRACTS)
    assert graph.find_children(PACKAGE) == set(LEVEL)


def test_at_most_eight_modules_stand_at_the_root() -> None:
    modules = [path.name for path in (ROOT / "src" / PACKAGE).glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= 8


def test_every_room_says_what_belongs_there() -> None:
    for room in (path for path in (ROOT / "src" / PACKAGE).iterdir() if path.is_dir() and path.name != "__pycache__"):
        assert (room / "__init__.py").read_text().startswith('"""'), room


def test_no_import_goes_up_and_every_one_that_did_would_be_noticed(graph: grimp.ImportGraph) -> None:
    """One forbidden import after the other, added to the graph and taken away again."""
    assert illegal(graph) == set()
    assert len(FORBIDDEN) > 200
    for importer, imported in FORBIDDEN:
        graph.add_import(importer=importer, imported=imported)
        assert (importer, imported) in illegal(graph), (importer, imported)
        graph.remove_import(importer=importer, imported=imported)
    assert illegal(graph) == set()
