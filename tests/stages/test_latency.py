"""The stage: times in the journal, every form of every encoder, and a receipt that does not depend on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_chain import MARKED, prune_at
from torch import nn

from prunemark.disk.files import read_json, sha256_file
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import journal_path
from prunemark.model.encoder import Encoder
from prunemark.requests.stage_requests import LatencyRequest
from prunemark.stages import latency as stage
from prunemark.stages.latency import ROUNDS, latency, timed
from prunemark.stages.prune import prune
from prunemark.stages.shrink import shrink

OUT = Path("data/scores/a/b/latency/some")


@pytest.fixture(autouse=True)
def here(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chain)


@pytest.fixture
def pruned(here: None) -> list[Path]:
    masked = prune_at("pruners", prune, "magnitude", "0.5", "global")
    return [masked, prune_at("structured", shrink, "l1-filter", "0.5", "layer")]


def test_every_form_is_timed_and_nothing_but_the_receipt_is_left(pruned: list[Path]) -> None:
    latency(LatencyRequest(marked=MARKED, pruned=pruned, threads=1, out=OUT))
    assert [path.name for path in OUT.iterdir()] == ["receipt.json"]
    measured = read_json(journal_path(OUT))["measured"]
    assert measured["threads"] == 1
    forms = {cell: {form.split(",")[0] for form in found} for cell, found in measured["latency"].items()}
    assert forms == {"original/0": {"masked"}, "magnitude/0.5": {"masked"}, "l1-filter/0.5": {"masked", "shrunk"}}
    for found in measured["latency"].values():
        for times in found.values():
            assert set(times) == {"1", "256"}
            assert all(0 < low <= median <= high for low, median, high in times.values())
            assert times["256"][1] > times["1"][1]


def test_the_receipt_is_the_same_however_long_it_took(pruned: list[Path]) -> None:
    receipts = []
    for _ in range(2):
        latency(LatencyRequest(marked=MARKED, pruned=pruned, threads=1, out=OUT))
        receipts.append((OUT / "receipt.json").read_bytes())
    assert receipts[0] == receipts[1]
    receipt = read_json(OUT / "receipt.json")
    assert receipt["outputs"] == {}
    for path, digest in receipt["inputs"].items():
        assert sha256_file(Path(path)) == digest
    assert {str(folder / "mask.pmk") for folder in pruned} <= set(receipt["inputs"])


def test_encoders_take_turns_and_the_first_turn_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[tuple[nn.Module, int]] = []
    a, b = nn.Identity(), nn.Identity()

    def took(encoder: nn.Module, batch: int, kind: torch.dtype) -> float:
        turns.append((encoder, batch))
        return 1000.0 if turns.count((encoder, batch)) == 1 else float(turns.count((encoder, batch)) - 1)

    monkeypatch.setattr(stage, "forward_seconds", took)
    forms: dict[tuple[str, str], Encoder] = {("a/0", "masked"): a, ("b/0.5", "masked"): b}  # type: ignore[dict-item]
    found = timed(forms, [torch.float32])
    assert [name for name, _ in turns] == [a, b] * (len(turns) // 2)
    for batch, rounds in ROUNDS.items():
        low, median, high = found["b/0.5"]["masked, float32"][str(batch)]
        # Of 1, 2 ... n the quartiles are these.
        assert [low, median, high] == pytest.approx([1 + share * (rounds - 1) for share in (0.25, 0.5, 0.75)], rel=1e-3)


def test_a_pruned_folder_that_is_not_there_is_one_line() -> None:
    with pytest.raises(PrunemarkError, match=r"^absent/receipt\.json: no such file$"):
        latency(LatencyRequest(marked=MARKED, pruned=[Path("absent")], threads=1, out=OUT))
    assert not (OUT / "receipt.json").exists()
