"""Which receipts rest on an acceptance, and what is no acceptance."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from prunemark.receipts.acceptance import (
    ACCEPTED,
    Acceptance,
    Change,
    Replay,
    acceptances,
    faults,
    rests_on,
    write_acceptance,
)

FILE = "src/a.py"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ACCEPTED.mkdir(parents=True)


def accepted(before: str, after: str) -> Acceptance:
    replay = Replay(folder="data/raw/a", epochs=0, outputs={"data/raw/a/b": "0"})
    change = Change(file=FILE, before=before, after=after)
    acceptance = Acceptance(
        schema=1, reason="r", commit="c", changes=[change], steps=2, replays=[replay], seed=0, bound=95.0
    )
    write_acceptance(acceptance)
    return acceptance


def test_a_receipt_rests_on_what_was_accepted_for_its_code_and_on_nothing_that_it_ran_itself() -> None:
    first, second = accepted("old", "new"), accepted("old", "newer")
    assert rests_on(first, {FILE: "old"})
    assert not rests_on(first, {FILE: "new"})
    assert rests_on(second, {FILE: "new"}), "through the first"
    assert not rests_on(second, {FILE: "newer"})
    assert not rests_on(first, {FILE: "other"})
    assert not rests_on(first, {"src/b.py": "old"})


def test_a_circle_of_acceptances_comes_to_an_end() -> None:
    first = accepted("a", "b")
    accepted("b", "a")
    rests_on(first, {FILE: "a"})


@pytest.mark.parametrize("kind", ["dangling", "pipe", "folder", "text"])
def test_what_is_no_acceptance_is_a_fault(kind: str, tmp_path: Path) -> None:
    path = ACCEPTED / "x.json"
    {
        "dangling": lambda: path.symlink_to(tmp_path / "nowhere"),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "text": lambda: path.write_text("{"),
    }[kind]()
    assert acceptances() == ()
    ((name, reason),) = faults()
    assert name == path.as_posix()
    assert "\n" not in reason
