"""Whether the code that receipts name is the code of the commit that their journals name."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from prunemark.disk.git import git
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Journal, journal_path
from prunemark.formats.receipt import RECEIPT, Receipt
from prunemark.formats.written import read
from prunemark.receipts.chain import Break
from prunemark.receipts.recorder import identity_for

Receipts = dict[str, Receipt]
HEXADECIMAL = re.compile("[0-9a-f]+")
LONGEST_NAME = 1000
DIGITS = {b"sha1": 40, b"sha256": 64}


def code_breaks(receipts: Receipts) -> tuple[list[Break], list[str]]:
    """Receipts, by folder, whose code is neither that of the commit nor declared as differing, and journals that name
    no commit which there can be; and notes that count what was declared and what could not be compared.
    """
    lengths = digits()
    entries = {folder: journal_of(Path(folder)) for folder in receipts}
    paths = {folder: journal_path(Path(folder)).as_posix() for folder in receipts}
    breaks = [Break(paths[folder], "no journal entry, and only it names the code's commit")
              for folder, entry in entries.items() if entry is None]  # fmt: skip
    breaks += [Break(paths[folder], f"names {entry.commit!r:.60} as the commit: no hash of git's")
               for folder, entry in entries.items() if entry and not could_be(entry.commit, lengths)]  # fmt: skip
    journals = {folder: entry for folder, entry in entries.items() if entry and could_be(entry.commit, lengths)}
    commits = {entry.commit for entry in journals.values() if entry.commit}
    named = {name for receipt in receipts.values() for name in receipt.code}
    blobs = Blobs(commits, named.union(*(entry.code for entry in journals.values())))
    whole = whole_history()
    declared = unknown = 0
    for folder, entry in journals.items():
        commit = entry.commit
        if commit not in blobs.commits and whole:
            what = f"commit {commit[:12]}, which is not in this repository" if commit else "no commit"
            breaks.append(Break(paths[folder], f"names {what}, whose history is whole: the code cannot be compared"))
        elif commit is None or commit not in blobs.commits:
            unknown += 1
        elif entry.code_differs_from_commit:
            declared += 1
        else:
            receipt = receipts[folder]
            identity = functools.partial(blobs.identity, receipt.schema_number, commit)
            reason = f"names code that is neither that of commit {commit[:12]} nor declared as differing"
            for path, code, here in (
                (f"{folder}/{RECEIPT}", receipt.code, identity),
                (paths[folder], entry.code, functools.partial(blobs.identity, 1, commit)),
            ):
                other = sorted(name for name, digest in code.items() if here(name) != digest)
                if other:
                    more = f" and {len(other) - 1} more" if len(other) > 1 else ""
                    breaks.append(Break(path, f"{reason}: {other[0]}{more}"))
    notes = []
    if declared:
        notes.append(f"git: {declared} of {len(receipts)} receipts were made with code that differs from its commit")
    if unknown:
        notes.append(
            f"git: not checked for {unknown} of {len(receipts)} receipts, whose commit is not in this repository"
        )
    return breaks, notes or ["git: checked"]


def unlike_head(path: Path) -> tuple[list[Break], list[str]]:
    """A break where a file that git tracks is there and has not the bytes that HEAD has, and a note where there is no
    HEAD to compare with. No number depends on such a file, so that without one it may stand as it is.
    """
    name = path.as_posix()
    if not path.is_file():
        return [], []
    head, kept = cat_file(f"HEAD^{{commit}}\nHEAD:./{name}\n".encode()) or (None, None)
    if head is None:
        return [], [f"git: {name} not checked, there is no commit here"]
    if path.read_bytes() == kept:
        return [], []
    return [Break(name, f"unexplained: HEAD has {'no such file' if kept is None else 'other bytes'}")], []


def could_be(commit: str | None, lengths: tuple[int, ...]) -> bool:
    """Whether a journal may name this as its commit: a whole hash, or none outside of a checkout."""
    return commit is None or (len(commit) in lengths and HEXADECIMAL.fullmatch(commit) is not None)


def digits() -> tuple[int, ...]:
    """How many digits the hashes of this repository have; both lengths where there is none."""
    try:
        done = git("rev-parse", "--show-object-format")
    except OSError:
        return tuple(DIGITS.values())
    return (DIGITS[done.stdout.strip()],) if done.stdout.strip() in DIGITS else tuple(DIGITS.values())


def whole_history() -> bool:
    """Whether this is a repository with commits, and no shallow clone: it holds every commit that there is."""
    try:
        done = git("rev-parse", "--is-shallow-repository", "--verify", "HEAD^{commit}")
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.startswith(b"false\n")


def journal_of(folder: Path) -> Journal | None:
    """The journal entry of a folder; ``None``: none can be read."""
    try:
        return read(journal_path(folder), Journal)
    except PrunemarkError:
        return None


class Blobs:
    """Files as commits hold them, by one ``git cat-file`` for all.

    ``commits`` are those asked for that this repository holds.
    """

    def __init__(self, commits: set[str], names: set[str]) -> None:
        # A commit itself, with an empty name, too: so a file that it has not is told from a commit that is not here. A
        # name of two lines would be two questions, and git repeats a name that it does not know.
        asked_of_each = ("", *sorted(name for name in names if "\n" not in name and len(name) < LONGEST_NAME))
        pairs = [(commit, name) for commit in sorted(commits) for name in asked_of_each]
        asked = "".join(f"{commit}:./{name}\n" if name else f"{commit}^{{commit}}\n" for commit, name in pairs)
        found = cat_file(asked.encode())
        self.known = dict(zip(pairs, found, strict=True)) if len(found) == len(pairs) else {}
        self.commits = {commit for commit in commits if self.known.get((commit, ""))}
        self.identities: dict[tuple[int, str, str], str | None] = {}

    def identity(self, schema: int, commit: str, name: str) -> str | None:
        """The identity of a commit's file by which receipts of a schema name their code; ``None``: it has none."""
        if (schema, commit, name) not in self.identities:
            content = self.known.get((commit, name))
            self.identities[schema, commit, name] = None if content is None else identity_for(schema, name, content)
        return self.identities[schema, commit, name]


def cat_file(asked: bytes) -> list[bytes | None]:
    """The content of every object asked for, one a line; ``None`` where there is none. Empty where git fails."""
    try:
        done = git("cat-file", "--batch", stdin=asked)
    except OSError:
        return []
    if done.returncode:
        return []
    found: list[bytes | None] = []
    rest = memoryview(done.stdout)
    while rest:
        line, _, _ = bytes(rest[:4096]).partition(b"\n")
        rest = rest[len(line) + 1 :]
        size = line.rsplit(b" ", 1)[1]
        if not size.isdigit():  # "missing"
            found.append(None)
            continue
        found.append(bytes(rest[: int(size)]))
        rest = rest[int(size) + 1 :]
    return found
