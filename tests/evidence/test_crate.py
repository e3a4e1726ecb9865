"""The crate of a finished run: the same bytes for the same run, and what RO-Crate's own tools read in it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from forgery import edit_json, put
from rocrate.rocrate import ROCrate

from prunemark.errors import PrunemarkError
from prunemark.evidence import verify
from prunemark.evidence.crate import write_crate
from prunemark.evidence.run import LARGEST, Run, add_output
from prunemark.plan.params_file import read_params

CELL = "cifar10-jpeg/simclr-r18w16/0/uchida/0/magnitude/0.5"
PRUNED, SCORES = f"data/pruned/{CELL}", f"data/scores/{CELL}/cifar10-jpeg"
ROC_PYTHON = os.environ.get("PRUNEMARK_ROC_PYTHON", "")


@pytest.fixture
def repository(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run in linked files, and the working directory."""
    shutil.copytree(finished, tmp_path / "repository", symlinks=True, copy_function=os.link)
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture(scope="module")
def entities(crate: Path) -> dict[str, dict[str, Any]]:
    graph = json.loads((crate / verify.METADATA).read_bytes())["@graph"]
    return {unquote(entity["@id"]): entity for entity in graph}


def test_the_same_run_gives_the_same_bytes(repository: Path, crate: Path, tmp_path: Path) -> None:
    os.utime(repository / SCORES / "scores.json", (0, 0))
    for name in ("one.zip", "two.zip"):
        write_crate(tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert inside == {
        path.relative_to(crate).as_posix(): path.read_bytes() for path in crate.rglob("*") if path.is_file()
    }


def test_the_largest_kept_run(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(large)
    assert "743 receipts" in write_crate(tmp_path / "crate.zip")
    assert verify.verify(str(tmp_path / "crate.zip"))[0].breaks == []


@pytest.mark.parametrize(
    ("name", "carried"),
    [("samples.npz", True), ("secret.safetensors", False), ("mask.pmk", False), ("large.json", False)],
)
def test_only_what_numbers_are_read_from_is_carried(repository: Path, name: str, carried: bool) -> None:
    content = b"0" * (LARGEST if name == "large.json" else 8)
    (repository / name).write_bytes(content)
    run, digest = Run(read_params()), hashlib.sha256(content).hexdigest()
    add_output(run, Path(name), digest)
    assert run.carried == ({name: content} if carried else {})
    assert run.referenced == ({} if carried else {name: digest})
    assert run.sizes == {name: len(content)}


def test_an_unfinished_run_has_no_crate(repository: Path, tmp_path: Path) -> None:
    (repository / PRUNED / "receipt.json").unlink()
    with pytest.raises(PrunemarkError, match=rf"^{PRUNED}/receipt\.json: missing, and params\.yaml asks for it"):
        write_crate(tmp_path / "crate")
    assert list(tmp_path.iterdir()) == [repository]


def test_an_altered_artefact_has_no_crate(repository: Path, tmp_path: Path) -> None:
    put(repository / SCORES / "scores.json", b"{}")
    with pytest.raises(PrunemarkError, match=rf"^{SCORES}/scores\.json: sha256 is .*, its receipt says"):
        write_crate(tmp_path / "crate")


def test_a_run_that_does_not_chain_has_no_crate(repository: Path, tmp_path: Path) -> None:
    edit_json(repository / PRUNED / "receipt.json", lambda receipt: receipt["inputs"].update({"x": "0" * 64}))
    with pytest.raises(
        PrunemarkError, match=rf"the run does not chain: {PRUNED}/receipt\.json: its input x is no output"
    ):
        write_crate(tmp_path / "crate.zip")
    assert list(tmp_path.iterdir()) == [repository]


def test_params_of_another_run_have_no_crate(repository: Path, tmp_path: Path) -> None:
    text = (repository / "params.yaml").read_text()
    put(repository / "params.yaml", text.replace("utility_drop: 0.05", "utility_drop: 0.1").encode())
    with pytest.raises(PrunemarkError, match=r"params\.yaml: asks for something else than the report was made for"):
        write_crate(tmp_path / "crate")


def test_two_codes_are_not_one_run(repository: Path, tmp_path: Path) -> None:
    name = "src/prunemark/errors.py"
    edit_json(repository / PRUNED / "receipt.json", lambda receipt: receipt["code"].update({name: "0" * 64}))
    with pytest.raises(PrunemarkError, match=rf"was made with another {name} than others: not one run"):
        write_crate(tmp_path / "crate")


@pytest.mark.parametrize("name", ["full", "file", "folder.zip"])
def test_what_is_there_already_stays_as_it_is(repository: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.zip").mkdir()
    before = sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(repository))
    with pytest.raises(PrunemarkError, match="is there already"):
        write_crate(tmp_path / name)
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_relative_to(repository)) == before


@pytest.mark.parametrize("out", ["data/run.zip", "data", "data/new/crate", "elsewhere/../data/run"])
def test_a_crate_does_not_lie_among_the_data(repository: Path, out: str) -> None:
    (repository / "elsewhere").mkdir()
    before = sorted(repository.rglob("*"))
    with pytest.raises(PrunemarkError, match=r"lies in data/, where every file is the run's own|is there already"):
        write_crate(Path(out))
    assert sorted(repository.rglob("*")) == before


def test_rocrate_reads_every_step_as_an_action(crate: Path) -> None:
    read = ROCrate(crate)
    actions = {action.id: action for action in read.get_by_type("CreateAction")}
    receipts = [path for path in crate.rglob("data/**/receipt.json") if "journal" not in path.parts]
    assert len(actions) == len(receipts) + 1
    assert actions["#run"]["instrument"] == read.mainEntity
    action = actions[f"#{PRUNED}"]
    receipt = json.loads((crate / PRUNED / "receipt.json").read_bytes())
    journal = json.loads((crate / f"data/journal/{PRUNED[5:]}.json").read_bytes())
    assert action["description"] == receipt["command"]
    assert unquote(action["instrument"].id).lstrip("#") == "src/prunemark/stages/prune.py"
    assert "SoftwareSourceCode" in action["instrument"].type
    named = {unquote(entity.id).lstrip("#") for entity in action["object"] if entity.type != "PropertyValue"}
    assert named == set(receipt["inputs"])
    values = {entity["name"]: entity["value"] for entity in action["object"] if entity.type == "PropertyValue"}
    assert {"method", "rate", "seed", "scope"} <= set(values)
    assert values["rate"] == "0.5"
    assert action["startTime"].startswith(journal["started"][:19])
    environment = {entity["name"]: entity["value"] for entity in action["environment"]}
    assert environment["torch"] == journal["versions"]["torch"]
    assert environment["commit"] == journal["commit"]


def test_every_file_is_described_by_its_hash_and_size(crate: Path, entities: dict[str, dict[str, Any]]) -> None:
    described = (verify.METADATA, verify.MANIFEST)
    for path in crate.rglob("*"):
        name = path.relative_to(crate).as_posix()
        if path.is_file() and name not in described:
            content = path.read_bytes()
            assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest()
            assert entities[name]["contentSize"] == str(len(content))


@pytest.mark.skipif(
    not ROC_PYTHON, reason="`make crate-check` runs this: roc-validator needs an environment of its own"
)
@pytest.mark.parametrize("broken", [False, True])
def test_roc_validator_finds_a_workflow_run_crate(tampered: Path, broken: bool) -> None:
    if broken:

        def edit(content: dict[str, Any]) -> None:
            root = next(entity for entity in content["@graph"] if entity["@id"] == "./")
            del root["mainEntity"]

        edit_json(tampered / verify.METADATA, edit)
    script = Path(__file__).with_name("validate_crate.py")
    done = subprocess.run([ROC_PYTHON, script, tampered], capture_output=True, text=True)
    assert (done.returncode != 0) == broken, done.stdout + done.stderr
    assert ("is a valid workflow-run-crate" in done.stdout) != broken
