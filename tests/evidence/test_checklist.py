"""Every answer of the checklist against the files of the run, counted here by other means; what none says is open."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from prunemark.evidence.checklist import NEURIPS, OPEN, REFORMS, checklist
from prunemark.evidence.run import read_run

Parts = dict[str, list[str]]


@pytest.fixture
def page(large: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(large)
    return checklist(read_run())


@pytest.fixture
def parts(page: str) -> Parts:
    """The answers by checklist and number."""
    found: Parts = {}
    for chapter in page.split("\n## ")[1:]:
        title = chapter.splitlines()[0].split()[0]
        for part in chapter.split("\n### ")[1:]:
            found[f"{title} {part.split('. ', 1)[0]}"] = re.findall(r"^- (.*)$", part, re.M)
    return found


def said(parts: Parts, item: str) -> str:
    return "\n".join(parts[item])


def test_every_item_is_answered_or_left_open(parts: Parts) -> None:
    assert len(parts) == len(NEURIPS) + len(REFORMS)
    assert all(parts.values())
    for item in (*NEURIPS, *REFORMS):
        if not item.sources:
            title = "NeurIPS" if item in NEURIPS else "REFORMS"
            assert parts[f"{title} {item.number}"] == [OPEN]


def test_every_answer_names_files_that_are_there(parts: Parts, large: Path) -> None:
    answers = [line for lines in parts.values() for line in lines if not line.startswith(OPEN)]
    assert answers
    for line in answers:
        name = re.search(r"\(`([^`]+)`\)$", line)
        assert name, line
        assert next(large.glob(name[1]), None), line


def test_compute_is_that_of_the_journals(parts: Parts, large: Path) -> None:
    entries = [json.loads(path.read_bytes()) for path in (large / "data/journal").rglob("*.json")]
    total = sum(entry["seconds"] for entry in entries)
    text = said(parts, "NeurIPS 8")
    assert f"{total:,.1f} seconds over {len(entries)} stage runs" in text
    assert f"{max(entry['peak_memory_bytes'] for entry in entries) / 2**20:,.0f} MiB" in text
    assert {entry["cpu"] for entry in entries} == {"AMD EPYC"}
    assert "AMD EPYC (AVX512), cores: 2, hosts: 1" in text
    assert f"torch {entries[0]['versions']['torch']}" in said(parts, "REFORMS 2c")
    assert entries[0]["commit"] in said(parts, "REFORMS 2b")


def test_numbers_are_those_of_the_table(parts: Parts, large: Path) -> None:
    with (large / "data/report/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = [row for row in rows if row["unit"] == "images" and row["ci_low"] != ""]
    ns = [int(row["n"]) for row in images]
    assert f"{len(images):,} over images (n = {min(ns)} to {max(ns)})" in said(parts, "NeurIPS 7")
    assert "Over 2 seeds: range." in said(parts, "REFORMS 7b")
    tests = sum(row["metric"] == "mcnemar_p" for row in rows)
    assert f"{tests:,} exact McNemar tests" in said(parts, "REFORMS 7c")
    assert {row["metric"] for row in rows} == set(
        re.findall(r"(\w+) \(", said(parts, "REFORMS 7a").split("units: ")[1])
    )


def test_settings_are_those_of_params_and_receipts(parts: Parts, large: Path) -> None:
    text = said(parts, "NeurIPS 6")
    for asked in (
        "epochs 12",
        "temperature 0.15",
        "magnitude (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)",
        "procrustes (20)",
    ):
        assert asked in text
    assert "Seeds of encoders: 0, 1 (n = 2); of independent null encoders: 1000, 1001." in said(parts, "NeurIPS 4")
    scored = [path for path in large.rglob("data/scores/**/receipt.json") if '"stage": "evaluate"' in path.read_text()]
    assert f"{len(scored)} encoders were scored, heads and kNN banks on 1000 images." in said(parts, "REFORMS 5c")
    receipt = json.loads((large / "data/raw/cifar10-jpeg/receipt.json").read_bytes())
    assert receipt["inputs"]["cifar10-jpeg.tar.gz"] in said(parts, "NeurIPS 5")


def test_what_is_not_there_is_left_open(parts: Parts, large: Path) -> None:
    """This run was kept without dataset.json: its licence and its classes are nowhere to be read."""
    assert not (large / "data/raw/cifar10-jpeg/dataset.json").exists()
    assert parts["NeurIPS 12"] == [OPEN]
    assert parts["REFORMS 3d"] == [OPEN]


def test_thresholds_that_saw_pruned_encoders_would_be_told(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(large)
    run = read_run()
    clean = checklist(run)
    assert "is a pruned encoder or a score: thresholds and frozen heads were fixed before pruning." in clean
    marked = next(receipt for receipt in run.receipts.values() if receipt.stage == "watermark")
    marked.inputs["data/pruned/x/mask.pmk"] = "0" * 64
    assert "1 inputs of the" in checklist(run)


def test_equal_runs_give_equal_pages(page: str, large: Path) -> None:
    assert page == checklist(read_run())
