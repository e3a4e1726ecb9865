"""Files under data/ that nothing names, whatever they are called."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from prunemark.engine.sweep import DATA, unexpected_files
from prunemark.plan.params_file import read_params
from prunemark.provenance import dvc_files as tracked

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("place", "content", "explained"),
    [
        ("data/.gitignore", b"/raw\n/encoders\n/marked\n/pruned\n/scores\n/report\n/journal\n", True),
        ("data/.gitignore", b"/raw\n/secrets\n", False),
        ("data/.gitignore", b"\x7fELF\x02\x01\x01", False),
        ("data/scores/.gitignore", b"/raw\n", False),
        ("data/scores/.gitignore", b"", False),
    ],
)
def test_only_what_dvc_writes_may_be_called_gitignore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, content: bytes, explained: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_bytes(content)
    found = list(unexpected_files(read_params(ROOT / "params.yaml"), [DATA]))
    assert found == ([] if explained else [Path(place)])


def test_what_dvc_lock_does_not_name_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An altered, a missing and an extra file of an output folder, beside one that is as it was."""
    monkeypatch.chdir(tmp_path)
    cache, folder = tmp_path / "cache", tmp_path / "data/scores"
    monkeypatch.setattr(tracked, "cache_folder", lambda: cache)
    folder.mkdir(parents=True)
    md5 = {name: hashlib.md5(name.encode()).hexdigest() for name in ("same", "altered", "missing")}
    listing = json.dumps([{"md5": digest, "relpath": name} for name, digest in md5.items()]).encode()
    key = hashlib.md5(listing).hexdigest()
    (cache / "files/md5" / key[:2]).mkdir(parents=True)
    (cache / "files/md5" / key[:2] / f"{key[2:]}.dir").write_bytes(listing)
    Path("dvc.lock").write_text(f"stages: {{evaluate: {{outs: [{{path: data/scores, md5: {key}.dir}}]}}}}")
    for name in ("same", "altered", ".gitignore"):
        (folder / name).write_text("same")
    assert tracked.altered_files({"data/scores", "data/raw"}) == {
        "data/scores": ["data/scores/.gitignore", "data/scores/altered", "data/scores/missing"]
    }
