"""What a file or a commit invalidates, held against a walk over the receipts' own inputs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from prunemark.disk.files import canonical_json
from prunemark.errors import PrunemarkError
from prunemark.questions import impact_text
from prunemark.questions.impact import impact

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/pruning"
ROWS = len((EXAMPLE / "results.csv").read_text().splitlines()) - 1


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept run of all pruners as a repository whose commit has every file of its code, one line each: its receipts are
    the real ones, but for the hashes of code."""
    folder = tmp_path_factory.mktemp("impact")
    with tarfile.open(EXAMPLE / "receipts.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    (folder / "data/report/results.csv").write_bytes((EXAMPLE / "results.csv").read_bytes())
    (folder / "params.yaml").write_bytes((EXAMPLE / "params.yaml").read_bytes())
    sources: set[str] = set()
    for path in folder.glob("data/[!j]*/**/receipt.json"):
        receipt = json.loads(path.read_text())
        receipt["code"] = {name: hashlib.sha256(name.encode()).hexdigest() for name in receipt["code"]}
        path.write_text(canonical_json(receipt))
        sources |= receipt["code"].keys()
    for name in sources:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("data/\n")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "code")):
        git(folder, *arguments)
    return folder


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=prunemark", "-c", "user.email=prunemark@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


def receipts(folder: Path) -> dict[str, dict[str, Any]]:
    paths = folder.glob("data/[!j]*/**/receipt.json")
    return {path.parent.relative_to(folder).as_posix(): json.loads(path.read_text()) for path in paths}


def stale(made: dict[str, dict[str, Any]], begins: set[str]) -> set[str]:
    """All folders whose chain of receipts leads to one of ``begins``, by the inputs that receipts name."""
    known: dict[str, bool] = {}

    def reaches(folder: str) -> bool:
        if folder not in known:
            known[folder] = folder in begins or any(
                reaches(str(Path(name).parent)) for name in made[folder]["inputs"] if name.endswith("/receipt.json")
            )
        return known[folder]

    return {folder for folder in made if folder != "data/report" and reaches(folder)}


def scored(line: str) -> str:
    cells = line.split(",")
    return "/".join(("data/scores", *cells[1:6], *cells[7:10]))


def expected_lines(folder: Path, invalid: set[str]) -> list[int]:
    rows = (folder / "data/report/results.csv").read_text().splitlines()
    return [i for i, line in enumerate(rows[1:], start=2) if scored(line) in invalid]


FILES = (
    "src/prunemark/pruners/magnitude.py",
    "src/prunemark/structured/l1_filter.py",
    "src/prunemark/metrics/head.py",
    "src/prunemark/objectives/simclr.py",
    "src/prunemark/checks/procrustes.py",
)


@pytest.mark.parametrize("file", FILES)
def test_a_source_file_invalidates_what_ran_it(repository: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.chdir(repository)
    made = receipts(repository)
    found = impact(file)
    invalid = stale(made, {folder for folder, receipt in made.items() if file in receipt["code"]})
    assert invalid
    assert set(found.stale) - {"data/report"} == invalid
    assert [line for line, _ in found.rows] == expected_lines(repository, invalid)
    assert sum(found.by_axis["pruner"].values()) == len(found.rows)


@pytest.mark.parametrize("file", FILES)
def test_a_commit_invalidates_what_it_changed(repository: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.chdir(repository)
    before = impact(file)
    assert not impact("HEAD").rows
    (repository / file).write_text("edited")
    git(repository, "commit", "-qam", "an edit")
    try:
        found = impact("HEAD")
        assert found.by_cause == {file: len(found.begins)}
        assert found.rows == before.rows
        assert not impact("HEAD~1").rows
    finally:
        git(repository, "reset", "-q", "--hard", "HEAD~1")


def test_a_file_that_the_commit_lacks_differs(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    git(repository, "rm", "-q", FILES[0])
    git(repository, "commit", "-qm", "gone")
    try:
        assert [line for line, _ in impact("HEAD").rows] == [line for line, _ in impact(FILES[0]).rows]
    finally:
        git(repository, "reset", "-q", "--hard", "HEAD~1")


def test_a_data_file_invalidates_what_stands_on_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    folder = next(path for path in receipts(repository) if path.startswith("data/pruned") and "magnitude" in path)
    path = f"{folder}/mask.pmk"
    found = impact(path)
    assert [line for line, _ in found.rows] == expected_lines(repository, stale(receipts(repository), {folder}))
    assert len(found.by_axis["rate"]) == 1


def test_params_and_raw_data_invalidate_everything(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    for name in ("params.yaml", "data/raw/cifar10-jpeg/images.safetensors"):
        assert len(impact(name).rows) == ROWS


def test_code_of_the_page_invalidates_no_number(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    found = impact("src/prunemark/page/render.py")
    assert not found.rows
    assert found.assembled == ["src/prunemark/page/render.py"]
    assert "the report itself is made with it: src/prunemark/page/render.py" in "\n".join(impact_text.lines(found))


def test_an_unknown_name_is_met_with_the_closest(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    with pytest.raises(
        PrunemarkError,
        match=r"no commit, and no receipt names such a file; did you mean src/prunemark/pruners/magnitude\.py\?",
    ):
        impact("src/prunemark/pruners/magnitud.py")


def test_a_file_that_no_receipt_names_invalidates_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    (repository / "constraints.txt").touch()
    for name in ("constraints.txt", "./constraints.txt", str(repository / "constraints.txt")):
        words = f"constraints.txt: invalidates 0 of {ROWS:,} reported numbers: no receipt names it"
        assert list(impact_text.lines(impact(name))) == [words]
    for name in ("../other.txt", "/etc/hostname"):
        with pytest.raises(PrunemarkError, match="no commit, and no receipt names such a file"):
            impact(name)


def test_one_file_is_asked_for_in_several_ways(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    plain = list(impact_text.lines(impact(FILES[0])))
    for name in (f"./{FILES[0]}", f"src/../{FILES[0]}", str(repository / FILES[0])):
        assert list(impact_text.lines(impact(name))) == plain


def test_a_folder_stands_for_the_files_in_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    made = receipts(repository)
    begins = {f for f, receipt in made.items() if any("/prunemark/pruners/" in name for name in receipt["code"])}
    found = impact("src/prunemark/pruners/")
    assert [line for line, _ in found.rows] == expected_lines(repository, stale(made, begins - {"data/report"}))
