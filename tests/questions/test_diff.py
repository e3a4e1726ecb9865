"""What moved between two runs is traced to the first step whose own code, parameters or inputs differ."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunemark.errors import PrunemarkError
from prunemark.provenance.commits import Blobs
from prunemark.questions import diff_text
from prunemark.questions.causes import Chains
from prunemark.questions.diff import diff
from prunemark.questions.versions import commit_of, open_version

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/default"
FIRST = (EXAMPLE / "results.csv").read_text().splitlines()[1].split(",")[13]


def edit(where: str, key: str, value: Any) -> Callable[[Any], None]:
    def change(tree: Any) -> None:
        getattr(tree, where)[key] = value
        tree.values[tree.SCORES] = 0.5

    return change


SCORES, PRUNED = "data/scores/d/e/0/w/0/magnitude/0.5/d", "data/pruned/d/e/0/w/0/magnitude/0.5"
# Each: the edit, the first cause's reason, stage and folder.
CAUSES: dict[str, tuple[Callable[[Any], None], str, str, str]] = {
    "code of the evaluation": (edit("code", "e.py", "2"), "e.py differs", "evaluate", "data/scores/d/e/0/w/0/original/0/d"),
    "code of pruning": (edit("code", "p.py", "2"), "p.py differs", "prune", PRUNED),
    "code of training": (edit("code", "t.py", "2"), "t.py differs", "train", "data/encoders/d/e/0"),
    "a parameter": (edit("settings", "train", {"epochs": 3}), "parameter epochs (none) -> 3", "train", "data/encoders/d/e/0"),
    "a setting of a method": (
        edit("settings", "prune", {"set": {"batch_count": 2}}), "parameter set.batch_count (none) -> 2", "prune", PRUNED,
    ),
    "code of the report": (edit("code", "r.py", "2"), "r.py differs", "report", "data/report"),
    "nothing but the machine": (
        edit("contents", PRUNED, "other bytes"),
        "other bytes from the same command, code and inputs; the journals name no difference", "prune", PRUNED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CAUSES)
def test_the_first_step_that_differs_is_named(tree: Any, other: Any, case: str) -> None:
    change, reason, stage, folder = CAUSES[case]
    change(other)
    found = diff(tree.build().run("A"), other.build().run("B"))
    assert [(c.before["value"], c.after["value"]) for c in found.moved if c.before and c.after] == [("0.8", "0.5")]
    first = found.moved[0].causes[0]
    assert (first.reason, first.stage, first.folder) == (reason, stage, folder)
    assert (found.appeared, found.vanished, found.same) == ([], [], 1)


def test_an_edit_that_changed_no_byte_is_no_cause(tree: Any, other: Any) -> None:
    """The encoder was trained by other code and came out the same; pruning differs, and is the cause."""
    tree.contents |= {"data/encoders/d/e/0": "weights", "data/encoders/d/e/9": "null weights"}
    other.contents |= tree.contents
    other.code |= {"t.py": "2", "p.py": "2"}
    causes = Chains(tree.build().run("A"), other.build().run("B")).of_row(SCORES)
    assert [cause.reason for cause in causes] == ["p.py differs"]


def test_several_causes_those_nearest_to_the_data_first(tree: Any, other: Any) -> None:
    other.code |= {"p.py": "2", "t.py": "2"}
    causes = Chains(tree.build().run("A"), other.build().run("B")).of_row(SCORES)
    assert [cause.reason for cause in causes] == ["t.py differs", "t.py differs", "p.py differs"]


def test_cells_of_one_side_alone(tree: Any, other: Any) -> None:
    del other.values[other.SCORES]
    other.build()
    del other.files[f"{SCORES}/receipt.json"]
    found = diff(tree.build().run("A"), other.run("B"))
    assert [c.causes[0].reason for c in found.vanished] == ["B has no such cell"]
    back = diff(other.run("B"), tree.run("A"))
    assert [c.causes[0].reason for c in back.appeared] == ["B has no such cell"]
    assert "1 vanished because B has no such cell: magnitude 0.5 (1)" in list(diff_text.lines(found))


def test_moves_are_sorted_by_size_p_values_last(tmp_path: Path) -> None:
    rows = (EXAMPLE / "results.csv").read_text().splitlines()
    moved = {}
    for metric, delta in (("accuracy", 0.2), ("error", -0.3), ("mcnemar_p", 0.9), ("dense_bytes", 1000.0)):
        at = next(i for i, row in enumerate(rows) if f",{metric}," in row)
        cells = rows[at].split(",")
        moved[metric] = float(cells[13]) + delta
        cells[13] = repr(moved[metric])
        rows[at] = ",".join(cells)
    (tmp_path / "results.csv").write_text("\n".join(rows) + "\n")
    found = diff(open_version(str(EXAMPLE)), open_version(str(tmp_path)))
    assert [change.row["metric"] for change in found.moved] == ["error", "accuracy", "dense_bytes", "mcnemar_p"]
    assert {change.row["metric"]: float(change.row["value"]) for change in found.moved} == moved
    assert {cause.reason for change in found.moved for cause in change.causes} == {
        f"no {folder} in {tmp_path}" for folder in {change.causes[0].folder for change in found.moved}
    }
    facts = json.loads(json.dumps(found.facts()))
    assert [entry["columns"] for entry in facts["moved"]] == [["value"]] * 4


def test_a_run_does_not_differ_from_itself(example: Any) -> None:
    found = diff(example, example)
    assert (found.moved, found.appeared, found.vanished, found.same) == ([], [], [], len(example.rows))


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that git tracks a kept run in, at two commits: the second has another first value."""
    folder = tmp_path / "history"
    kept = folder / "examples/default"
    kept.mkdir(parents=True)
    for name in ("results.csv", "receipts.tar.xz"):
        (kept / name).write_bytes((EXAMPLE / name).read_bytes())
    monkeypatch.chdir(folder)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "a run")
    rows = (kept / "results.csv").read_text().splitlines()
    rows[1] = rows[1].replace(f",{FIRST},", ",0.372,", 1)
    (kept / "results.csv").write_text("\n".join(rows) + "\n")
    git("commit", "-qam", "another")
    return folder


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=prunemark", "-c", "user.email=prunemark@example.org")
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


def test_runs_that_git_tracks(history: Path) -> None:
    found = diff(open_version("HEAD~1:examples/default"), open_version("HEAD:examples/default/results.csv"))
    assert [(c.before["value"], c.after["value"]) for c in found.moved if c.before and c.after] == [(FIRST, "0.372")]
    assert found.moved[0].causes == ()
    assert "no cause: every receipt is the same on both sides" in "\n".join(diff_text.lines(found))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HEAD", "has no dvc.lock and no data/report/results.csv; runs kept there: HEAD:examples/default"),
        ("nonsense", "neither a path nor a commit"),
        ("--all", "neither a path nor a commit"),
        ("examples", "no results.csv there"),
    ],
)
def test_versions_that_hold_no_run(history: Path, name: str, message: str) -> None:
    with pytest.raises(PrunemarkError, match=message):
        open_version(name)


def test_hashes_of_a_commit_are_those_of_its_files(history: Path) -> None:
    import hashlib

    (history / "empty").touch()
    (history / "lines").write_bytes(b"a\n\nb blob 3\n")
    git("add", "-A")
    git("commit", "-qm", "files")
    commit = commit_of("HEAD")
    assert commit
    names = ["empty", "lines", "absent", "examples/default/results.csv"]
    expected = {n: hashlib.sha256((history / n).read_bytes()).hexdigest() for n in names if n != "absent"}
    blobs = Blobs({commit}, set(names))
    assert {n: found for n in names if (found := blobs.identity(1, commit, n))} == expected
