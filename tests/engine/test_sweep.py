"""What a sweep takes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from prunemark.engine.sweep import DATA, README, sweep, unexpected_files
from prunemark.plan.folders import STAGES
from prunemark.plan.params_file import read_params

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    README.parent.mkdir()
    README.write_text("What lies here.\n")


def test_the_page_of_data_is_never_swept_and_a_half_written_file_is() -> None:
    half = DATA / "raw/fashion-mnist-mini/images.safetensors.partial"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    sweep(read_params(ROOT / "params.yaml"), list(STAGES))
    assert [path for path in DATA.rglob("*") if path.is_file()] == [README]


def test_that_page_alone_is_expected_beside_what_params_ask_for() -> None:
    for stranger in (DATA / "readme.md", DATA / "README.md.bak", DATA / "raw/README.md"):
        stranger.parent.mkdir(exist_ok=True)
        stranger.write_text("What lies here.\n")
        assert list(unexpected_files(read_params(ROOT / "params.yaml"), [DATA])) == [stranger]
        stranger.unlink()
