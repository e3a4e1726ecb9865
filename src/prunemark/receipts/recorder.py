"""Records a step: its journal entry and, last, its receipt. Every artefact is written before: a receipt means done."""

from __future__ import annotations

import functools
import os
import platform
import resource
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prunemark.disk.files import sha256, sha256_file
from prunemark.disk.git import git
from prunemark.errors import PrunemarkError
from prunemark.formats import journal
from prunemark.formats.journal import Journal, Measured, journal_path
from prunemark.formats.receipt import RECEIPT, SCHEMA, Receipt, command_of
from prunemark.formats.written import write
from prunemark.receipts.identities import identities
from prunemark.receipts.meaning import identity

PACKAGES = ("torch", "numpy", "safetensors", "vl-convert-python", "jinja2", "snakemake", "dvc", "mlflow")
TEMPLATES = (".j2", ".js", ".css")
# Rooms that make no artefact: which steps are run and with what is in the receipt itself, and MLflow only listens.
NOT_CODE = ("prunemark.__main__", "prunemark.commands", "prunemark.engine", "prunemark.plan", "prunemark.requests")


def identity_for(schema: int, name: str, content: bytes) -> str:
    """The identity of a file by which receipts of a schema name their code."""
    return sha256(content) if schema == 1 else identity(name, content)


def loaded_files() -> dict[Path, bool]:
    """The source files of this package that the running process has imported, with their templates, sorted; and whether
    results can depend on them."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "prunemark" and module.__file__]
    paths = {
        path: counts(module.__name__)
        for module in modules
        for path in with_template(Path(str(module.__file__)).resolve())
    }
    return dict(sorted(paths.items()))


def loaded_code() -> list[Path]:
    """Those of `loaded_files` that results can depend on."""
    return [path for path, counted in loaded_files().items() if counted]


def counts(module: str) -> bool:
    """Whether a module of this package is code that results can depend on."""
    return not any(module == room or module.startswith(f"{room}.") for room in NOT_CODE)


def with_template(source: Path) -> list[Path]:
    """A source file and, of a package, the templates, scripts and styles in its folder: they are code."""
    if source.name != "__init__.py":
        return [source]
    return [source, *sorted(path for path in source.parent.iterdir() if path.suffix in TEMPLATES)]


class Recorder:
    """Collects what a stage run reads and writes; `finish` writes the journal entry and, last, the receipt.

    All paths are stored relative to the working directory (the repository). The folder's old receipt is removed
    first: an interrupted rerun must not look done.
    """

    def __init__(self, stage: str, folder: Path, parameters: dict[str, Any], seed: int | None = None) -> None:
        self.stage, self.folder, self.parameters, self.seed = stage, folder, parameters, seed
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.measured = Measured()
        self.code: list[Path] | None = None
        self.started = time.time()
        (folder / RECEIPT).unlink(missing_ok=True)

    def reads(self, *paths: Path) -> None:
        """Declare input files; they are hashed now.

        Raises:
            PrunemarkError: one that is not there.
        """
        for path in paths:
            if not path.is_file():
                raise PrunemarkError(f"{path}: no such file")
        self.inputs.update({path.as_posix(): sha256_file(path) for path in paths})

    def reads_as(self, name: str, sha256: str) -> None:
        """Declare an input that is no file of the repository (a download, a packaged archive), by its pinned hash."""
        self.inputs[name] = sha256

    def wrote(self, *names: str) -> None:
        """Declare output files of the folder; they are hashed now."""
        self.outputs.update({(self.folder / name).as_posix(): sha256_file(self.folder / name) for name in names})

    def close_code(self) -> None:
        """Declare that no code which is loaded from now on can change an output: it only watches."""
        self.code = loaded_code()

    def finish(self) -> None:
        """Write the journal entry, then the receipt."""
        root = Path.cwd()
        contents = {path: path.read_bytes() for path in loaded_files()}
        bytes_of = {source_name(path, root): sha256(content) for path, content in contents.items()}
        counted = loaded_code() if self.code is None else self.code
        code = identities({source_name(path, root): contents[path] for path in counted})
        write(journal_path(self.folder), self._journal(bytes_of))
        receipt = Receipt(
            schema=SCHEMA,
            stage=self.stage,
            command=command_of(self.stage, self.parameters),
            parameters=self.parameters,
            seed=self.seed,
            inputs=self.inputs,
            outputs=self.outputs,
            code=code,
        )
        write(self.folder / RECEIPT, receipt)

    def _journal(self, code: dict[str, str]) -> Journal:
        ended = time.time()
        commit, differs = git_state(sorted(code))
        return Journal(
            schema=journal.SCHEMA,
            receipt=(self.folder / RECEIPT).as_posix(),
            started=datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            seconds=round(ended - self.started, 3),
            host=platform.node(),
            cpu=cpu_model(),
            cpu_capability=cpu_capability(),
            cores=os.cpu_count(),
            python=platform.python_version(),
            versions=installed_versions(),
            commit=commit,
            code_differs_from_commit=differs,
            code=code,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            measured=self.measured,
        )


def source_name(path: Path, root: Path) -> str:
    """A source file's name in receipts: relative to the repository, or to the package where it lies elsewhere."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    package = Path(__file__).resolve().parents[1]
    return f"src/prunemark/{path.relative_to(package).as_posix()}"


@functools.cache
def installed_versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def cpu_capability() -> str:
    """What PyTorch found the processor capable of: results are the same bytes only between equal ones."""
    torch = sys.modules.get("torch")
    return torch.backends.cpu.get_cpu_capability() if torch else ""


def git_state(code: list[str]) -> tuple[str | None, bool | None]:
    """The commit, and whether any file of ``code`` differs from it; both ``None`` outside a git checkout."""
    status = run_git("status", "--porcelain=v2", "--branch", "--ignored", "--", *code)
    lines = (status or "").splitlines()
    commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "(initial)")
    if commit == "(initial)":
        return None, None
    return commit, any(not line.startswith("# ") for line in lines)


def run_git(*arguments: str) -> str | None:
    try:
        done = git(*arguments)
    except OSError:
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
