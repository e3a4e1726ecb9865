"""Code as an input: the source files that a sub-command really imports, so that an edit reruns what it can change."""

from __future__ import annotations

import functools
from pathlib import Path

import grimp

from prunemark import methods
from prunemark.record import NOT_CODE, source_name, with_template

PACKAGE = "prunemark"
CACHE = Path(".snakemake/grimp")


@functools.cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, cache_dir=str(CACHE), exclude_type_checking_imports=True)


@functools.cache
def modules(command: str, used: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The modules of this package that ``prunemark <command>`` imports when it loads the methods ``used`` (kind, name).

    grimp sees neither loads by name nor the ``__init__`` of parent packages; both are added here.
    """
    roots = [f"{PACKAGE}.stages.{command}", *(methods.module_name(kind, name) for kind, name in used)]
    found = set(roots)
    for root in roots:
        found |= import_graph().find_upstream_modules(root)
    for module in list(found):
        parts = module.split(".")
        found |= {".".join(parts[:i]) for i in range(1, len(parts))}
    return frozenset(found - set(NOT_CODE))


@functools.cache
def files(command: str, used: tuple[tuple[str, str], ...]) -> list[str]:
    """The source files of `modules`, relative to the repository where they lie inside it, sorted."""
    root = Path.cwd()
    return sorted(
        source_name(path, root) for module in modules(command, used) for path in with_template(source(module))
    )


def source(module: str) -> Path:
    path = methods.PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
