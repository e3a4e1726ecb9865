"""Methods by name: the names of a kind are the modules of its folder, read without importing them."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from prunemark.errors import PrunemarkError

PACKAGE = Path(__file__).parent
FOLDER = PACKAGE / "methods"
KINDS = ("datasets", "encoders", "objectives", "watermarks", "checks", "pruners", "structured", "alterations")


@functools.cache
def names(kind: str) -> tuple[str, ...]:
    """The names of a kind, sorted; ``feature-digest`` is the module ``feature_digest``."""
    modules = (path.stem for path in (FOLDER / kind).glob("*.py"))
    return tuple(sorted(name.replace("_", "-") for name in modules if not name.startswith("_")))


def module_name(kind: str, name: str) -> str:
    """The dotted module of a method.

    Raises:
        PrunemarkError: the kind has no such method; the text lists those it has.
    """
    if name not in names(kind):
        raise PrunemarkError(f"{kind}: {name!r} is not one of {', '.join(names(kind))}")
    return f"prunemark.methods.{kind}.{name.replace('-', '_')}"


def load(kind: str, name: str) -> ModuleType:
    """Import and return the module of a method."""
    return importlib.import_module(module_name(kind, name))


@functools.cache
def constants(kind: str, name: str) -> dict[str, Any]:
    """The literal upper-case constants of a method's module (``SETTINGS``, ``KIND`` ...), without importing it."""
    path = FOLDER / kind / f"{module_name(kind, name).rpartition('.')[2]}.py"
    found = {}
    for node in ast.parse(path.read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id.isupper() and value is not None:
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return found


def named_in(asked: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every method that the content of params.yaml names, once: its key there, its kind and its name."""
    axes = ("datasets", "encoders", "watermarks", "checks", "pruners", "structured", "alterations")
    named = [
        (axis, "objectives" if axis == "encoders" else axis, entry.get("method") or entry.get("objective") or name)
        for axis in axes
        for name, entry in asked.get(axis, {}).items()
    ]
    named += [("architectures", "encoders", entry["architecture"]) for entry in asked["encoders"].values()]
    return list(dict.fromkeys(named))


def documented(kind: str, name: str) -> list[Path]:
    """The modules whose docstrings describe a method: its own, then the shared parts of its folder that it imports and
    that follow a paper."""
    path = FOLDER / kind / f"{module_name(kind, name).rpartition('.')[2]}.py"
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    imported = {part for node in imports for part in (node.module or "").split(".")}
    imported |= {alias.name for node in imports for alias in node.names}
    parts = (part for part in sorted(path.parent.glob("_[!_]*.py")) if part.stem in imported)
    return [path, *(part for part in parts if "et al." in docstring(part))]


def docstrings(described: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The SHA-256 of every docstring that describes one of these methods (kind, name), by its file."""
    paths = [path for kind, name in described for path in documented(kind, name)]
    digests = {path: hashlib.sha256(docstring(path).encode()).hexdigest() for path in paths}
    return {f"{path.parent.name}/{path.name}": digest for path, digest in digests.items()}


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def check_strength(name: str, strength: float) -> None:
    """Whether an alteration has such a strength, by the constants of its module.

    Raises:
        PrunemarkError: it has not; the text says what its strengths are.
    """
    found = constants("alterations", name)
    inside = found["LEAST_STRENGTH"] <= strength <= found["MOST_STRENGTH"]
    if not inside or (found["WHOLE"] and strength != int(strength)):
        raise PrunemarkError(f"alterations.{name}: strength {strength:g} is not allowed: {found['STRENGTHS']}")


def complete(kind: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a method: its defaults, replaced by those given. A default of ``None`` marks a needed setting.

    Where the module has them, its ``LEAST`` and ``MOST`` give the smallest and largest values allowed, and ``METHODS``
    the kind of method that a setting names (no control).

    Raises:
        PrunemarkError: an unknown setting, a wrong type, a number out of its range, no such method, or a needed one
            missing.
    """
    found = constants(kind, name)
    defaults: dict[str, Any] = found.get("SETTINGS", {})
    least: dict[str, float] = found.get("LEAST", {})
    most: dict[str, float] = found.get("MOST", {})
    for key, value in given.items():
        if key not in defaults:
            allowed = ", ".join(sorted(defaults)) or "none: it has no settings"
            raise PrunemarkError(f"{kind}.{name}.{key}: unknown setting; allowed: {allowed}")
        wanted = str if defaults[key] is None else type(defaults[key])
        if type(value) is int and wanted is float:
            given = {**given, key: float(value)}
        elif type(value) is not wanted:
            raise PrunemarkError(f"{kind}.{name}.{key}: {value!r} is not allowed: a value of type {wanted.__name__}")
        low, high = least.get(key, -math.inf), most.get(key, math.inf)
        if wanted in (int, float) and not (low <= value <= high and math.isfinite(value)):
            allowed = f"{low} to {high}" if key in most else f"{low} or more" if key in least else "a finite number"
            raise PrunemarkError(f"{kind}.{name}.{key}: {value!r} is not allowed: {allowed}")
    merged = {**defaults, **given}
    for key, value in merged.items():
        if value is None:
            raise PrunemarkError(f"{kind}.{name}.{key}: missing, and it has no default")
    for key, of in found.get("METHODS", {}).items():
        others = [one for one in names(of) if constants(of, one).get("KIND") != "control"]
        if merged[key] not in others:
            raise PrunemarkError(f"{kind}.{name}.{key}: {merged[key]!r} is not allowed: one of {', '.join(others)}")
    return merged


def named_by(kind: str, name: str, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The methods (kind, name) that the settings of a method name, so that it loads them."""
    methods: dict[str, str] = constants(kind, name).get("METHODS", {})
    return [(of, settings[key]) for key, of in methods.items()]
