"""A finished run as its receipts and journals tell it, with the files that a crate carries and those it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prunemark.disk.files import sha256, sha256_file
from prunemark.disk.git import git
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import RECEIPT, Receipt, read_receipt
from prunemark.formats.written import read
from prunemark.plan import grid
from prunemark.plan.folders import CLAIMS
from prunemark.plan.params import Params
from prunemark.plan.params_file import PARAMS, read_params

# Images, weights, masks and secrets: what a reader of numbers never opens, and what takes nearly all of the space.
TENSORS = (".safetensors", ".pmk")
LARGEST = 2**24


@dataclass
class Run:
    """Receipts and journal entries by folder, in the order of the grid; ``carried`` are contents by path and
    ``referenced`` the SHA-256 of what stays outside, by path; ``sizes`` in bytes where the file is there."""

    params: Params
    receipts: dict[str, Receipt] = field(default_factory=dict)
    journals: dict[str, Journal] = field(default_factory=dict)
    carried: dict[str, bytes] = field(default_factory=dict)
    referenced: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def commits(self) -> list[str]:
        return sorted({entry.commit for entry in self.journals.values() if entry.commit})


def read_run() -> Run:
    """The run that params.yaml asks for.

    Raises:
        PrunemarkError: a receipt is missing or none, or a file is not what its receipt says.
    """
    run = Run(read_params())
    run.carried[PARAMS.as_posix()] = PARAMS.read_bytes()
    for step in grid.all_steps(run.params):
        add_step(run, str(step.folder))
    report = run.receipts[str(grid.report(run.params).folder)]
    if report.parameters.get("asked") != run.params.digest(report.schema_number):
        raise PrunemarkError(f"{PARAMS}: asks for something else than the report was made for: build it first")
    stated = [CLAIMS] if CLAIMS in report.inputs else []
    workflow = sorted(str(path) for kind in ("rules/*.smk", "report/*.rst") for path in Path("workflow").glob(kind))
    for name in (*stated, "Snakefile", "constraints.txt", *workflow):
        if not Path(name).is_file():
            raise PrunemarkError(f"{name}: no such file: a crate is made in the folder of the repository")
        run.carried[name] = Path(name).read_bytes()
    add_code(run)
    return run


def add_step(run: Run, folder: str) -> None:
    path = Path(folder) / RECEIPT
    if not path.is_file():
        raise PrunemarkError(f"{path}: missing, and params.yaml asks for it: the run is not finished")
    receipt = read_receipt(Path(folder))
    run.receipts[folder], run.carried[path.as_posix()] = receipt, path.read_bytes()
    journal = journal_path(Path(folder))
    if journal.is_file():
        run.journals[folder], run.carried[journal.as_posix()] = read(journal, Journal), journal.read_bytes()
    for name, digest in receipt.outputs.items():
        add_output(run, Path(name), digest)


def add_output(run: Run, path: Path, digest: str) -> None:
    """Carry an output or refer to it. One that is there is hashed either way; one that is not is referred to."""
    name = path.as_posix()
    if path.is_file():
        found, run.sizes[name] = sha256_file(path), path.stat().st_size
        if found != digest:
            raise PrunemarkError(f"{name}: sha256 is {found[:12]}, its receipt says {digest[:12]}: `prunemark audit`")
    if path.suffix in TENSORS or run.sizes.get(name, LARGEST) >= LARGEST:
        run.referenced[name] = digest
    else:
        run.carried[name] = path.read_bytes()


def add_code(run: Run) -> None:
    """Carry every code file that a receipt names, as it was: from the folder, else from the commits of the journals."""
    meanings: dict[str, str] = {}
    bytes_of: dict[str, set[str]] = {}
    for folder, receipt in run.receipts.items():
        entry = run.journals.get(folder)
        ran = receipt.code if receipt.schema_number == 1 else entry.code if entry else {}
        for name, digest in receipt.code.items():
            if meanings.setdefault(name, digest) != digest:
                raise PrunemarkError(f"{folder}/{RECEIPT}: was made with another {name} than others: not one run")
            if name not in ran:
                raise PrunemarkError(f"{journal_path(Path(folder))}: does not say which {name} ran: `prunemark audit`")
            bytes_of.setdefault(name, set()).add(ran[name])
    for name, digests in sorted(bytes_of.items()):
        content = next((found for found in code_contents(name, run.commits) if sha256(found) in digests), None)
        if content is None:
            run.referenced[name] = min(digests)
        else:
            run.carried[name] = content


def code_contents(name: str, commits: list[str]) -> Iterator[bytes]:
    if Path(name).is_file():
        yield Path(name).read_bytes()
    for commit in commits:
        try:
            done = git("cat-file", "blob", f"{commit}:{name}")
        except OSError:  # no git: the code is referred to, not carried
            return
        if done.returncode == 0:
            yield done.stdout
