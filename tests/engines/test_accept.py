"""Code that changed its meaning is accepted where steps, executed again, give the same bytes, and nowhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from audited import Audited, named
from frauds_accepted import FRAUDS

from conftest import OTHERS
from prunemark.receipts.meaning import identity
from repository import Repository

ENCODER = "src/prunemark/model/encoder.py"
METHODS = "src/prunemark/methods"
RENAMED = (("normalised = (images", "scaled = (images"), ("self.backbone(normalised", "self.backbone(scaled"))
# A line that one method alone runs, changed so that its results are others.
CHANGES = {
    "pruner": (f"{METHODS}/pruners/magnitude.py", "weight.detach().abs()", "weight.detach().abs() * -1"),
    "watermark": (f"{METHODS}/watermarks/reversible.py", 'TAG = "prunemark', 'TAG = "Prunemark'),
    "check": (f"{METHODS}/checks/sha256.py", "state_sha256(encoder)}", "state_sha256(encoder)[::-1]}"),
    "channels": (f"{METHODS}/structured/l1_filter.py", "filters.abs().sum(dim=1)", "filters.abs().amax(dim=1)"),
    "alteration": (f"{METHODS}/alterations/noise.py", "weight += strength", "weight -= strength"),
    "objective": (f"{METHODS}/objectives/simclr.py", "encode(views)), self.temperature)", "encode(views)), 2 * self.temperature)"),
    "encoder": (f"{METHODS}/encoders/_resnet.py", "x = self.maxpool(torch.relu_(", "x = self.maxpool(torch.nn.functional.leaky_relu("),
}  # fmt: skip
SLOW = CHANGES.keys() - {"pruner"}  # each replays some twenty steps


def edit_and_commit(repository: Repository, path: str, *edits: tuple[str, str]) -> None:
    for old, new in edits:
        repository.edit(path, old, new, 1)
    repository.git("commit", "-qam", "an edit")


def receipts(repository: Repository) -> dict[Path, bytes]:
    paths = (repository.folder / "data").rglob("receipt.json")
    return {path.relative_to(repository.folder): path.read_bytes() for path in paths}


def accepted(repository: Repository) -> list[Path]:
    return sorted((repository.folder / "data/journal/accepted").glob("*.json"))


@pytest.fixture(scope="module")
def renamed_once(built: Repository, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The tiny grid, with a local variable of the encoder renamed, which everything but the images stands on, and
    accepted."""
    folder = tmp_path_factory.mktemp("renamed") / "repository"
    shutil.copytree(built.folder, folder, symlinks=True)
    repository = Repository(folder)
    edit_and_commit(repository, ENCODER, *RENAMED)
    assert repository.planned().keys() >= {"train", "watermark", "prune", "evaluate"}
    printed = repository.run("prunemark", "accept", "--reason", "a clearer name", "--replay", "3")
    assert "steps replayed, all equal" in printed
    return repository


@pytest.fixture
def renamed(renamed_once: Repository, tmp_path: Path) -> Repository:
    shutil.copytree(renamed_once.folder, tmp_path / "renamed", symlinks=True)
    return Repository(tmp_path / "renamed")


@pytest.fixture
def forgeable(renamed_once: Repository, tmp_path: Path) -> Repository:
    """Its files and commits alone: neither DVC nor MLflow is there to contradict a forger."""
    shutil.copytree(renamed_once.folder, tmp_path / "files", symlinks=True, ignore=shutil.ignore_patterns(*OTHERS))
    return Repository(tmp_path / "files")


def test_a_renamed_variable_is_accepted_and_then_nothing_is_planned(built: Repository, renamed: Repository) -> None:
    assert renamed.planned() == {}
    assert receipts(renamed) == receipts(built)
    assert renamed.dvc_is_clean()
    said = renamed.run("prunemark", "audit", "--replay", "1", "--seed", "0")
    assert "code: the run rests on 1 acceptance, by which at most " in said
    assert "replay: one step of each of 1 acceptances is equal" in said
    assert "all accounted for" in said
    # A second change of the same file, and back: identities are followed to the one that receipts name.
    edit_and_commit(
        renamed, ENCODER, ("scaled = (images", "inputs = (images"), ("self.backbone(scaled", "self.backbone(inputs")
    )
    renamed.run("prunemark", "accept", "--reason", "a still clearer one", "--replay", "1")
    assert renamed.planned() == {}
    edit_and_commit(renamed, ENCODER, *((new, old) for (_, new), (old, _) in zip(
        (("", "inputs = (images"), ("", "self.backbone(inputs")), RENAMED, strict=True)))  # fmt: skip
    assert renamed.planned() == {}
    assert receipts(renamed) == receipts(built)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in CHANGES]
)
def test_other_bytes_are_refused(copy: Repository, kind: str) -> None:
    path, old, new = CHANGES[kind]
    edit_and_commit(copy, path, (old, new))
    planned = copy.planned()
    done = copy.attempt("prunemark", "accept", "--reason", "it should be the same", "--replay", "3", "--seed", "1")
    assert done.returncode == 1, done.stdout
    assert "replayed, " in done.stdout
    assert "not accepted: " in done.stdout.splitlines()[-1]
    assert accepted(copy) == []
    assert copy.planned() == planned


def test_what_cannot_be_accepted_is_one_line(copy: Repository) -> None:
    def refused(reason: str) -> None:
        done = copy.attempt("prunemark", "accept", "--reason", "why not")
        assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
        assert done.stdout.startswith(f"prunemark: accept: {reason}")

    refused("no step would run because of its code")
    for reason in ("", " ", "x" * 501):
        done = copy.attempt("prunemark", "accept", "--reason", reason)
        assert (done.returncode, done.stdout.count("\n")) == (2, 1), done.stdout
        assert "is not allowed: 1 to 500 characters" in done.stdout
    copy.edit(ENCODER, *RENAMED[0])
    refused(f"{ENCODER} differs from the last commit; commit it first")
    edit_and_commit(copy, ENCODER, RENAMED[1])
    copy.edit("params.yaml", "epochs: 2", "epochs: 3")
    refused("params.yaml differs from the last commit; commit it first")
    copy.git("commit", "-qam", "more epochs")
    refused("data/encoders/tiny/simclr/0 would run for another reason too")


def test_acceptances_that_say_what_is_not_so_are_breaks(forgeable: Repository, audited: Audited) -> None:
    (path,) = accepted(forgeable)
    name, honest = path.relative_to(forgeable.folder).as_posix(), path.read_text()
    assert audited(forgeable)[0] == 0

    path.write_text(honest.replace("a clearer name", "another reason"))
    status, lines = audited(forgeable)
    assert status == 1
    assert named(f"{name}: edited since it was written", lines), lines
    path.write_text(honest)

    for edit, expected in FRAUDS.values():
        forged = json.loads(honest)
        edit(forged)
        other = write_forged(forgeable, forged)
        status, lines = audited(forgeable)
        assert status == 1
        assert named(expected.format(path=other), lines), lines
        (forgeable.folder / other).unlink()


def test_a_change_that_nothing_rests_on_any_more_is_no_break_and_an_idle_acceptance_goes(
    renamed: Repository, audited: Audited
) -> None:
    (path,) = accepted(renamed)
    forged = json.loads(path.read_text())
    words = "src/prunemark/page/words.py"
    now = identity(words, (renamed.folder / words).read_bytes())
    forged["changes"].append({"file": words, "before": "0" * 64, "after": now})
    path.unlink()
    other = write_forged(renamed, forged)
    renamed.run("prunemark", "build")
    renamed.commit()
    assert audited(renamed)[0] == 0
    forged["changes"] = [{"file": words, "before": "1" * 64, "after": now}]
    idle = write_forged(renamed, forged)
    renamed.run("prunemark", "build")
    assert [one.relative_to(renamed.folder).as_posix() for one in accepted(renamed)] == [other]
    assert idle != other


def test_a_replay_that_never_ran_is_found_by_one(copy: Repository) -> None:
    """All hashes agree: receipts, commit, name. The code gives other bytes."""
    path, old, new = CHANGES["pruner"]
    edit_and_commit(copy, path, (old, new))
    copy.run("python", "-c", FORGE, path)
    copy.run("prunemark", "build")
    copy.git("add", "-A")
    assert copy.planned() == {}
    assert "all accounted for" in copy.run("prunemark", "audit")
    done = copy.attempt("prunemark", "audit", "--replay", "1", "--seed", "0")
    assert done.returncode == 1
    assert "accepted by data/journal/accepted/" in done.stdout


def write_forged(repository: Repository, content: dict) -> str:  # type: ignore[type-arg]
    code = (
        "import json, sys; from prunemark.receipts.acceptance import Acceptance, write_acceptance; "
        "entry = Acceptance.model_validate_json(sys.argv[1]); write_acceptance(entry); print(entry.path)"
    )
    return repository.run("python", "-c", code, json.dumps(content)).strip()


FORGE = """
import subprocess, sys
from pathlib import Path
from prunemark.receipts.acceptance import Acceptance, Change, Replay, write_acceptance
from prunemark.formats.receipt import read_receipt
from prunemark.receipts.meaning import identity

folder = "data/pruned/tiny/simclr/0/reversible/0/magnitude/0.5"
receipt, path = read_receipt(Path(folder)), sys.argv[1]
commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
change = Change(file=path, before=receipt.code[path], after=identity(path, Path(path).read_bytes()))
replay = Replay(folder=folder, epochs=0, outputs=receipt.outputs)
write_acceptance(Acceptance(schema=1, reason="trust me", commit=commit, changes=[change], steps=6, replays=[replay],
                            seed=0, bound=95.0))
"""
