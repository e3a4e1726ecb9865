"""Receipts and journals as compact JSON for the page; ``page/chain.js`` reads them back.

Folders, hashes, words and file sets stand once each. An input is the number of the file that another step wrote; where
a receipt says another hash than that step's, the hash stands beside it.
"""

from __future__ import annotations

from typing import Any

from prunemark.formats.journal import Journal
from prunemark.formats.receipt import RECEIPT, options
from prunemark.page.packed import Interned
from prunemark.page.supplement import Evidence

JOURNAL = ("commit", "code_differs_from_commit", "host", "cpu", "cpu_capability", "cores", "python", "versions")
Files = dict[str, tuple[int, str]]


def packed_chains(evidence: Evidence) -> dict[str, Any]:
    """``files``: per step the names and hashes of what it wrote, its receipt last, numbered through all steps."""
    steps = {folder: i for i, folder in enumerate(evidence.receipts)}
    words, choices, patterns, names = Interned(), Interned(), Interned(), Interned()
    code, sets, surroundings, outside = Interned(), Interned(), Interned(), Interned()
    numbers: Files = {}
    for folder, (receipt, digest) in evidence.receipts.items():
        for name, sha in (receipt.outputs | {f"{folder}/{RECEIPT}": digest}).items():
            numbers[name] = (len(numbers), sha)
    packed = []
    for folder, (receipt, digest) in evidence.receipts.items():
        pairs = options(receipt.parameters)
        values = [~steps[value] if value in steps else words(value) for _, value in pairs]
        written = [*receipt.outputs.values(), digest]
        read = [read_file(name, sha, numbers, outside) for name, sha in receipt.inputs.items()]
        entry: dict[str, Any] = {
            "at": folder.removeprefix("data/"),
            "is": words(receipt.stage),
            "o": [choices(tuple(name for name, _ in pairs)), *values],
            "w": patterns(tuple(names(name.removeprefix(f"{folder}/")) for name in receipt.outputs)),
            "h": "".join(written),
            "r": read,
            "c": sets(tuple(code(pair) for pair in receipt.code.items())),
        }
        if receipt.seed is not None:
            entry["seed"] = receipt.seed
        if not receipt.says_its_command:
            entry["command"] = receipt.command
        if folder in evidence.journals:
            entry["j"] = journal(evidence.journals[folder], surroundings)
        packed.append(entry)
    return {
        "steps": packed,
        "words": words.values,
        "options": choices.values,
        "outputs": patterns.values,
        "names": names.values,
        "outside": outside.values,
        "code": code.values,
        "sets": sets.values,
        "surroundings": [dict(zip(JOURNAL, values, strict=True)) for values in surroundings.values],
    }


def read_file(name: str, sha: str, numbers: Files, outside: Interned) -> Any:
    """A file's number; with its hash, where that is not what its step wrote; else the number of a name and hash that no
    step wrote, as -1 - number."""
    if name not in numbers:
        return -1 - outside((name, sha))
    number, written = numbers[name]
    return number if written == sha else [number, sha]


def journal(entry: Journal, surroundings: Interned) -> list[Any]:
    """Where and with what (a number), when, and for how long."""
    facts = {name: getattr(entry, name) for name in JOURNAL}
    facts["versions"] = " ".join(f"{name} {version}" for name, version in sorted(entry.versions.items()))
    return [surroundings(tuple(facts.values())), entry.started, entry.seconds]
