"""From a real build to a signed crate: what the audit alone cannot see, a signature does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forge import forge
from repository import Repository

from prunemark.files import canonical_json

RAW = "data/raw/tiny/receipt.json"


def another_source(copy: Repository) -> None:
    """Claim that the images came from elsewhere, and make every hash and the report agree."""
    path = copy.folder / RAW
    receipt = json.loads(path.read_text())
    pinned = next(name for name in receipt["inputs"] if not name.startswith("data/"))
    receipt["inputs"][pinned] = "0" * 64
    path.write_text(canonical_json(receipt))
    forge(copy.folder)


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")
def test_a_consistent_forgery_passes_the_audit_and_not_the_signature(copy: Repository, tmp_path: Path) -> None:
    key, crate = tmp_path / "key", tmp_path / "crate.zip"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    assert "receipts" in copy.run("prunemark", "crate", "--out", str(crate))
    copy.run("prunemark", "sign", str(crate), "--key", str(key))
    # The verifier that a stranger runs: a file of the crate, without this project.
    shutil.unpack_archive(crate, tmp_path / "unpacked")
    alone = (sys.executable, "-I", "-S", str(tmp_path / "unpacked/verify.py"))
    assert subprocess.run(alone, cwd=tmp_path, capture_output=True).returncode == 0

    asked = ("prunemark", "audit", "--crate", str(crate), "--signed-by", f"{key}.pub")
    assert "unaltered, its receipts those of data/" in copy.run(*asked)
    another_source(copy)
    assert "all accounted for" in copy.run("prunemark", "audit")
    refused = copy.attempt(*asked)
    assert refused.returncode == 1
    assert f"{RAW}: is not the receipt that was signed" in refused.stdout
    assert copy.attempt("prunemark", "audit", "--crate", str(crate)).returncode == 2


def test_the_checklist_of_a_build_names_its_licence_and_splits(copy: Repository) -> None:
    copy.run("prunemark", "checklist")
    page = (copy.folder / "REPRODUCIBILITY.md").read_text()
    described = json.loads((copy.folder / "data/raw/tiny/dataset.json").read_bytes())
    assert f"`tiny`: {described['licence']}." in page
    assert f"test {described['counts']['test']}, train {described['counts']['train']}" in page
