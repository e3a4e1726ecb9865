"""From a real build to a signed crate: what the audit alone cannot see, a signature does."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import forge
import pytest
from audited import Audited, holds, named
from frauds_signed import CHECK, FRAUDS, another_source, fitted_key
from places import MARKED, PRUNED, SCORES

from prunemark.errors import PrunemarkError
from prunemark.evidence.crate import write_crate
from prunemark.evidence.signed import sign_crate, signed_level
from prunemark.provenance.levels import Asked
from prunemark.stages.verdict import export, judge
from repository import Repository

RAW = "data/raw/tiny/receipt.json"
signing = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)), check=True)
    return path


@pytest.fixture(scope="module")
def crate(built: Repository, key: Path) -> Path:
    """The crate of the honest run, signed before any fraud."""
    path = key.with_name("crate.zip")
    with contextlib.chdir(built.folder):
        write_crate(path)
    sign_crate(path, key)
    return path


@signing
@pytest.mark.parametrize("fraud", FRAUDS)
def test_a_fraud_that_everything_agrees_with_is_not_what_was_signed(
    kept: Repository, audited: Audited, crate: Path, key: Path, fraud: str
) -> None:
    commit, step = FRAUDS[fraud]
    commit(kept.folder)
    forge.forge(kept.folder)
    status, lines = audited(kept, Asked(recompute=True), signed_level(crate, key.with_suffix(".pub")))
    assert status == 1
    assert holds("audit", lines)
    assert holds("audit --recompute", lines)
    assert not holds("audit --signed-by", lines)
    assert named(f"{step}/receipt.json: is not the receipt that was signed", lines), lines


@signing
def test_the_journal_of_the_report_which_nothing_hashes_is_the_one_signed(
    kept: Repository, audited: Audited, crate: Path, key: Path
) -> None:
    name = "data/journal/report.json"
    forge.edit_json(kept.folder / name, lambda entry: entry.update(host="another", started="2020-01-01T00:00:00+00:00"))
    status, lines = audited(kept, Asked(), signed_level(crate, key.with_suffix(".pub")))
    assert status == 1
    assert holds("audit", lines)
    assert named(f"{name}: is not the journal entry that was signed", lines), lines


def test_a_key_fitted_afterwards_is_true_but_not_the_one_committed_to(
    kept: Repository, audited: Audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executed again, its cell says the same; a hash that was published before tells."""
    monkeypatch.chdir(kept.folder)
    suspect, secret = tmp_path / "suspect.safetensors", Path(CHECK) / "secret.safetensors"
    export(Path(MARKED), Path(PRUNED), suspect)
    published = forge.sha256_file(secret)
    assert not judge("authenticate", suspect, secret, None, published)
    fitted_key(kept.folder)
    forge.forge(kept.folder)
    seed = forge.seed_that_draws_first(kept.folder, SCORES)
    status, lines = audited(kept, Asked(recompute=True, replay=1, seed=seed))
    assert status == 0, lines
    assert judge("authenticate", suspect, secret, None, None)
    with pytest.raises(PrunemarkError, match="is not the one committed to"):
        judge("authenticate", suspect, secret, None, published)


@signing
def test_a_signed_crate_says_so_as_long_as_its_receipts_are_here(
    kept: Repository, crate: Path, key: Path, tmp_path: Path
) -> None:
    # The verifier that a stranger runs: a file of the crate, without this project.
    shutil.unpack_archive(crate, tmp_path / "unpacked")
    alone = (sys.executable, "-I", "-S", str(tmp_path / "unpacked/verify.py"))
    assert subprocess.run(alone, cwd=tmp_path, capture_output=True).returncode == 0

    asked = ("prunemark", "audit", "--crate", str(crate), "--signed-by", f"{key}.pub")
    assert "unaltered, its receipts and journals those of data/" in kept.run(*asked)
    another_source(kept.folder)
    forge.forge(kept.folder)
    refused = kept.attempt(*asked)
    assert refused.returncode == 1
    assert "all accounted for" in refused.stdout
    assert f"{RAW}: is not the receipt that was signed" in refused.stdout
    assert kept.attempt("prunemark", "audit", "--crate", str(crate)).returncode == 2


@signing
def test_the_document_for_machines_has_the_signature(kept: Repository, crate: Path, key: Path) -> None:
    """A level of its own: it is there whatever the others found, and they whatever it found."""
    command = f"prunemark audit --json --recompute --crate {crate} --signed-by {key}.pub 2>/dev/null"
    whole = json.loads(kept.run("sh", "-c", command))
    assert whole["holds"]
    assert [level["level"] for level in whole["levels"]] == ["audit", "audit --signed-by", "audit --recompute"]
    signed = whole["levels"][1]
    assert signed["proved"].endswith("unaltered, its receipts and journals those of data/")
    assert (signed["crate"], signed["signers"]) == (str(crate), f"{key}.pub")

    another_source(kept.folder)
    forge.forge(kept.folder)
    done = kept.attempt("sh", "-c", command)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert not document["holds"]
    assert [bool(level["breaks"]) for level in document["levels"]] == [False, True, False]
    (fault,) = [fault for fault in document["levels"][1]["breaks"] if fault["path"] == RAW]
    assert fault["reason"].startswith("is not the receipt that was signed")
    assert fault["dependents"].startswith("all ")

    (kept.folder / SCORES / "notes.txt").write_text("found lying about\n")
    broken = json.loads(kept.attempt("sh", "-c", command).stdout)
    assert [level["ran"] for level in broken["levels"]] == [True, True, False]


def test_the_checklist_of_a_build_names_its_licence_and_splits(kept: Repository) -> None:
    kept.run("prunemark", "checklist")
    page = (kept.folder / "REPRODUCIBILITY.md").read_text()
    described = json.loads((kept.folder / "data/raw/tiny/dataset.json").read_bytes())
    assert f"`tiny`: {described['licence']}." in page
    assert f"test {described['counts']['test']}, train {described['counts']['train']}" in page
