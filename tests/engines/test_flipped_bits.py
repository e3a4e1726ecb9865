"""Bits drawn at random among the files of every kind that a run keeps: each that flips is found, and its file named."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from audited import Audited

from repository import Repository

KINDS = {
    "raw data": "data/raw",
    "encoders": "data/encoders",
    "marked encoders, keys, thresholds": "data/marked",
    "masks": "data/pruned",
    "scores and samples": "data/scores",
    "report": "data/report",
    "journals": "data/journal",
    "Snakemake's records": ".snakemake/metadata",
}
QUICK, ALL = 3, 25


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flips", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_found_where_it_is(
    request: pytest.FixtureRequest, audited: Audited, kind: str, flips: int
) -> None:
    # Of Snakemake's records only DVC knows what they were.
    copy: Repository = request.getfixturevalue("copy" if KINDS[kind].startswith(".snakemake") else "kept")
    draw = random.Random(f"{kind} {flips}")
    files = sorted(
        path for path in (copy.folder / KINDS[kind]).rglob("*") if path.is_file() and path.name != ".gitignore"
    )
    for _ in range(flips):
        path = draw.choice(files)
        name, at = path.relative_to(copy.folder).as_posix(), draw.randrange(8 * path.stat().st_size)
        flip(path, at)
        status, lines = audited(copy)
        assert status == 1, f"bit {at} of {name} flipped: nothing found"
        assert any(line.startswith(f"{name}: ") for line in lines), f"bit {at} of {name} flipped: {lines}"
        flip(path, at)
    assert audited(copy)[0] == 0


def flip(path: Path, at: int) -> None:
    """Flip a bit in place; the file is newly written, as any change of it is."""
    content = bytearray(path.read_bytes())
    content[at // 8] ^= 1 << at % 8
    path.write_bytes(content)
    os.utime(path)
