"""Code as an input: the source files that a sub-command really imports, so that an edit reruns what it can change."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import grimp

from prunemark import registry
from prunemark.disk.files import canonical_json, write_bytes
from prunemark.errors import PrunemarkError
from prunemark.receipts.acceptance import as_accepted
from prunemark.receipts.identities import identities as identities_of
from prunemark.receipts.recorder import counts, source_name, with_template

PACKAGE = "prunemark"
CACHE = Path(".snakemake/grimp")
MANIFESTS = Path(".prunemark/code")

Methods = tuple[tuple[str, str], ...]


@functools.cache
def import_graph() -> grimp.ImportGraph:
    """The imports of this package.

    Raises:
        PrunemarkError: a source file that is no Python.
    """
    try:
        return grimp.build_graph(PACKAGE, cache_dir=str(CACHE), exclude_type_checking_imports=True)
    except (grimp.exceptions.SourceSyntaxError, UnicodeDecodeError, SyntaxError) as error:
        raise PrunemarkError(f"src/{PACKAGE}: its imports cannot be read: {str(error).splitlines()[0]:.300}") from None


@functools.cache
def modules(command: str, used: Methods) -> frozenset[str]:
    """The modules of this package that ``prunemark <command>`` imports when it loads the methods ``used`` (kind, name).

    grimp sees neither loads by name nor the ``__init__`` of parent packages; both are added here.
    """
    roots = [f"{PACKAGE}.stages.{command}", *(registry.module_name(kind, name) for kind, name in used)]
    found = set(roots)
    for root in roots:
        found |= import_graph().find_upstream_modules(root)
    for module in list(found):
        parts = module.split(".")
        found |= {".".join(parts[:i]) for i in range(1, len(parts))}
    return frozenset(filter(counts, found))


@functools.cache
def files(command: str, used: Methods) -> dict[str, Path]:
    """The source files of `modules` by their names in receipts, in the order of the names."""
    root = Path.cwd()
    paths = [path for module in modules(command, used) for path in with_template(source(module))]
    return dict(sorted((source_name(path, root), path) for path in paths))


@functools.cache
def manifest(command: str, used: Methods, described: Methods = ()) -> str:
    """The name of a file that holds the identities of all `files`, as they were accepted, and is rewritten only when
    one of them changes.

    It stands for them among the inputs of a rule: Snakemake's planning takes time for every input of every job. Of the
    methods ``described`` it holds the docstrings, which a page prints.
    """
    code = as_accepted(identities(command, used))
    content = canonical_json({"code": code, "docstrings": registry.docstrings(described)}).encode()
    path = MANIFESTS / f"{command}-{hashlib.sha256(repr(used).encode()).hexdigest()[:12]}.json"
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)
    return path.as_posix()


def identities(command: str, used: Methods) -> dict[str, str]:
    """The identity of each of `files`, by its name in receipts."""
    return identities_of({name: path.read_bytes() for name, path in files(command, used).items()})


def source(module: str) -> Path:
    path = registry.PACKAGE.parent.joinpath(*module.split("."))
    inside = path / "__init__.py"
    return inside if inside.is_file() else path.with_suffix(".py")
