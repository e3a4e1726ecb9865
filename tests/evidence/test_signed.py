"""Signed crates, with real keys that live as long as a test: one way to be refused, one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from forgery import forge_from, list_anew, put, zipped

from prunemark.errors import PrunemarkError
from prunemark.evidence.signed import SIGNATURE, sign_crate, signed_breaks, signed_level
from prunemark.evidence.verify import MANIFEST, verify

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="there is no ssh-keygen")
RAW = "data/raw/cifar10-jpeg"
SCORES = "data/scores/cifar10-jpeg/simclr-r18w16/0/uchida/0/magnitude/0.5/cifar10-jpeg"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The owner's key, and another's; lists of signers that name the owner, one of them for other files."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (("owner", "ed25519"), ("other", "ed25519"), ("ecdsa", "ecdsa")):
        command = ("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"{name}@example.org", "-f", str(folder / name))
        subprocess.run(command, check=True)
    owner = (folder / "owner.pub").read_text()
    (folder / "allowed").write_text(f'# who signs\nowner@example.org namespaces="prunemark" {owner}')
    (folder / "wide").write_text(f"*@example.org,someone {owner}")
    (folder / "for-files").write_text(f'owner@example.org namespaces="file" {owner}')
    return folder


@pytest.fixture
def signed(tampered: Path, keys: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crate signed by its owner, beside the run that it is of, which is the working directory."""
    monkeypatch.chdir(finished)
    sign_crate(tampered, keys / "owner")
    return tampered


def lines(crate: Path, signers: Path) -> list[str]:
    return [str(fault) for fault in signed_breaks(crate, signers)]


@pytest.mark.parametrize("signers", ["allowed", "wide", "owner.pub"])
def test_a_signed_crate_is_accepted(signed: Path, keys: Path, signers: str) -> None:
    assert lines(signed, keys / signers) == []
    assert verify(str(signed))[0].breaks == []


def test_a_signed_zip_is_accepted_and_signed_anew(signed: Path, keys: Path, tmp_path: Path) -> None:
    (signed / SIGNATURE).unlink()
    with zipped(signed, tmp_path / "crate.zip"):
        pass
    sign_crate(tmp_path / "crate.zip", keys / "owner")
    once = (tmp_path / "crate.zip").read_bytes()
    sign_crate(tmp_path / "crate.zip", keys / "ecdsa")
    assert lines(tmp_path / "crate.zip", keys / "ecdsa.pub") == []
    assert len(lines(tmp_path / "crate.zip", keys / "owner.pub")) == 1
    sign_crate(tmp_path / "crate.zip", keys / "owner")
    assert (tmp_path / "crate.zip").read_bytes() == once
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crate", "crate.zip"]


def unsigned(crate: Path, keys: Path) -> None:
    (crate / SIGNATURE).unlink()


def signed_by_another(crate: Path, keys: Path) -> None:
    sign_crate(crate, keys / "other")


def another_namespace(crate: Path, keys: Path) -> None:
    put(crate / "copy", (crate / MANIFEST).read_bytes())
    command = ("ssh-keygen", "-q", "-Y", "sign", "-f", str(keys / "owner"), "-n", "file", str(crate / "copy"))
    subprocess.run(command, check=True)
    (crate / "copy").unlink()
    (crate / "copy.sig").rename(crate / SIGNATURE)


def truncated(crate: Path, keys: Path) -> None:
    put(crate / SIGNATURE, (crate / SIGNATURE).read_bytes()[:150])


def no_signature(crate: Path, keys: Path) -> None:
    put(crate / SIGNATURE, b"\x00\xff no signature\n")


def a_bit_of_the_signature(crate: Path, keys: Path) -> None:
    """In the last line of its base64: the signature proper."""
    body, end = (crate / SIGNATURE).read_bytes().split(b"\n-----END", 1)
    last = body[-8:-7]
    put(crate / SIGNATURE, body[:-8] + (b"A" if last != b"A" else b"B") + body[-7:] + b"\n-----END" + end)


def altered_and_listed_anew(crate: Path, keys: Path) -> None:
    put(crate / "README.md", b"# Another run\n")
    put(crate / "ro-crate-metadata.json", (crate / "ro-crate-metadata.json").read_bytes())
    list_anew(crate)


def forged_throughout(crate: Path, keys: Path) -> None:
    """The raw data's hash is another one, and every receipt, listing and description says so consistently."""
    forge_from(crate, RAW, lambda receipt: receipt["inputs"].update({"cifar10-jpeg.tar.gz": "0" * 64}))
    list_anew(crate)


REFUSED: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "unsigned": (unsigned, "is not signed"),
    "signed by another key": (signed_by_another, "is not signed by a key of "),
    "signed for another purpose": (another_namespace, "its signature does not hold: "),
    "a truncated signature": (truncated, "is not signed by a key of "),
    "no signature": (no_signature, "is not signed by a key of "),
    "a bit of the signature": (a_bit_of_the_signature, "its signature does not hold: "),
    "altered, and listed anew": (altered_and_listed_anew, "its signature does not hold: "),
    "forged throughout": (forged_throughout, "its signature does not hold: "),
}


@pytest.mark.parametrize("signers", ["allowed", "owner.pub"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_crate_is_refused(signed: Path, keys: Path, name: str, signers: str) -> None:
    alter, expected = REFUSED[name]
    alter(signed, keys)
    found = [line for line in lines(signed, keys / signers) if line.startswith(f"{signed}: {expected}")]
    assert len(found) == 1
    assert "\n" not in found[0]


def test_an_altered_file_is_named(signed: Path, keys: Path) -> None:
    put(signed / "params.yaml", b"seeds: [2]\n")
    assert lines(signed, keys / "allowed")[0].startswith(f"{signed}: params.yaml: sha256 is ")


def test_a_key_allowed_for_other_files_is_refused(signed: Path, keys: Path) -> None:
    (line,) = lines(signed, keys / "for-files")
    assert "its signature does not hold: " in line
    assert f"{keys / 'for-files'}:1: key is not permitted" in line


def test_a_private_key_names_no_signer(signed: Path, keys: Path) -> None:
    (line,) = lines(signed, keys / "owner")
    assert "is not signed by a key of" in line


def test_a_forged_receipt_here_is_not_the_one_signed(
    signed: Path, keys: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All receipts of the repository forged consistently: no hash shows it, the signed crate does."""
    shutil.copytree(finished, tmp_path / "repository", symlinks=True, copy_function=os.link)
    monkeypatch.chdir(tmp_path / "repository")
    assert lines(signed, keys / "allowed") == []
    forge_from(Path.cwd(), RAW, lambda receipt: receipt["inputs"].update({"cifar10-jpeg.tar.gz": "0" * 64}))
    found = lines(signed, keys / "allowed")
    assert f"{RAW}/receipt.json: is not the receipt that was signed: the crate holds another" in found
    assert "data/report/receipt.json: is not the receipt that was signed: the crate holds another" in found


def test_receipts_that_only_one_side_has_are_named(
    signed: Path, keys: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "repository", symlinks=True, copy_function=os.link)
    monkeypatch.chdir(tmp_path / "repository")
    Path(f"{SCORES}/receipt.json").rename(f"{SCORES}/../receipt.json")
    assert lines(signed, keys / "allowed") == [
        f"{SCORES}/receipt.json: is in the crate, and not here",
        f"{SCORES.removesuffix('/cifar10-jpeg')}/receipt.json: is not in the crate",
    ]


def test_what_does_not_verify_is_not_signed(tampered: Path, keys: Path) -> None:
    put(tampered / "params.yaml", b"seeds: [2]\n")
    with pytest.raises(PrunemarkError, match=r"not signed: params\.yaml: sha256 is"):
        sign_crate(tampered, keys / "owner")
    assert not (tampered / SIGNATURE).exists()


@pytest.mark.parametrize(("key", "fault"), [("missing", "no such file"), ("allowed", "does not sign: ")])
def test_a_key_that_does_not_sign_is_named(tampered: Path, keys: Path, key: str, fault: str) -> None:
    with pytest.raises(PrunemarkError, match=fault):
        sign_crate(tampered, keys / key)
    assert not (tampered / SIGNATURE).exists()


def test_the_audit_wants_both_or_neither(signed: Path, keys: Path) -> None:
    assert signed_level(None, None) is None
    for signers, breaks in (("allowed", 0), ("other.pub", 1)):
        level = signed_level(signed, keys / signers)
        assert level
        found = level.look(None, [])
        assert len(found.breaks) == breaks
        assert found.proved.endswith("unaltered, its receipts and journals those of data/")
    for pair in ((signed, None), (None, keys / "allowed")):
        with pytest.raises(PrunemarkError, match="--crate and --signed-by go together"):
            signed_level(*pair)
    with pytest.raises(PrunemarkError, match="no such file"):
        signed_breaks(signed, keys / "missing")


def test_what_is_no_crate_is_one_line(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "crate.zip").write_text("no zip")
    (line,) = lines(tmp_path / "crate.zip", keys / "allowed")
    assert "cannot be read as a crate" in line
