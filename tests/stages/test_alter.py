"""The stage: an altered encoder beside the masks, twice the same, another one per key, and read as what it is."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from small_chain import DATA, MARKED, OUT, prune_at

from prunemark import registry
from prunemark.disk.files import read_json, sha256_file
from prunemark.disk.tensors import read_encoder
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import journal_path
from prunemark.model.encoder import state, state_bytes
from prunemark.provenance.recompute import sizes as recomputed
from prunemark.receipts import code_identity
from prunemark.requests.stage_requests import AlterRequest
from prunemark.stages.alter import alter
from prunemark.stages.evaluate import measure_sizes, size_rows
from prunemark.stages.prune import prune
from prunemark.stages.pruned_encoder import read_pruned

# Many images to a batch: an epoch is over soon.
REQUEST = AlterRequest(
    data=DATA,
    marked=MARKED,
    method="noise",
    strength="0.1",
    objective="simclr",
    objective_set={"temperature": 0.5, "projection_dim": 8},
    batch_size=1024,
    optimizer="sgd",
    momentum=0.9,
    weight_decay=0.0,
    key=0,
    seed=0,
    threads=1,
    device="cpu",
    out=OUT,
)


@pytest.fixture(autouse=True)
def here(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(chain)


def run(method: str, strength: str, key: int = 0, **settings: object) -> Path:
    out = OUT / method / strength
    whole = registry.complete("alterations", method, settings)
    alter(replace(REQUEST, method=method, set=whole, strength=strength, key=key, out=out))
    return out


def test_what_is_written_and_read() -> None:
    out = run("noise", "0.1")
    assert sorted(path.name for path in out.iterdir()) == ["encoder.safetensors", "receipt.json"]
    receipt = read_json(out / "receipt.json")
    inputs = (DATA / "images.safetensors", DATA / "dataset.json", DATA / "receipt.json")
    inputs += (MARKED / "receipt.json", MARKED / "encoder.safetensors")
    assert receipt["inputs"] == {path.as_posix(): sha256_file(path) for path in inputs}
    assert receipt["outputs"] == {f"{out}/encoder.safetensors": sha256_file(out / "encoder.safetensors")}
    found = read_pruned(MARKED, out)
    assert found.mask is None
    assert found.held is found.served
    assert state_bytes(found.served) == state_bytes(read_encoder(out / "encoder.safetensors"))
    assert state_bytes(found.served) != state_bytes(read_pruned(MARKED, None).served)


def test_an_altered_encoder_has_sizes_but_neither_mask_nor_removed_weights() -> None:
    out, masked = run("noise", "0.1"), prune_at("pruners", prune, "magnitude", "0.5", "global")
    altered = measure_sizes(read_pruned(MARKED, out), out)
    pruned = measure_sizes(read_pruned(MARKED, masked), masked)
    assert pruned.content().keys() - altered.content().keys() == {
        "layers",
        "mask_bytes",
        "mask_entropy_bytes",
        "removed",
        "stored_bytes",
    }
    sparsity = size_rows(altered)[0]
    assert (sparsity["metric"], sparsity["k"], sparsity["n"]) == ("sparsity", 0, altered.weights)


@pytest.mark.parametrize(("method", "strength"), [("rotate", "1"), ("quantise-activations", "4"), ("rescale", "10")])
def test_sizes_are_those_that_are_recomputed(method: str, strength: str) -> None:
    out = run(method, strength)
    found = measure_sizes(read_pruned(MARKED, out), out)
    marked = load_file(MARKED / "encoder.safetensors")
    again = recomputed.size_figures(marked, out, recomputed.what_is_left(marked, out))
    rows = {row["metric"]: row for row in size_rows(found)}
    assert {place.metric for place in again} == rows.keys() - recomputed.LEFT_OUT.keys()
    for place, figure in again.items():
        assert figure["value"] == pytest.approx(rows[place.metric]["value"], rel=1e-9), place
    weights = recomputed.prunable(marked).values()
    assert found.weights == sum(part.size for part in weights)
    assert found.nonzeros == sum(np.count_nonzero(part) for part in weights) + {"rotate": 32 * 32}.get(method, 0)


def test_overwriting_counts_the_code_of_the_scheme_that_it_loads() -> None:
    out = run("overwrite", "1", scheme="reversible")
    used = (("encoders", "resnet18"), ("objectives", "simclr"), ("alterations", "overwrite"))
    loaded = registry.named_by("alterations", "overwrite", {"scheme": "reversible"})
    named = code_identity.files("alter", (*used, *loaded))
    assert "src/prunemark/methods/watermarks/reversible.py" in named
    assert read_json(out / "receipt.json")["parameters"]["set"] == {"scheme": "reversible"}


def test_twice_the_same_bytes_and_others_under_another_key() -> None:
    first = (run("noise", "0.1") / "encoder.safetensors").read_bytes()
    torch.manual_seed(5)
    assert (run("noise", "0.1") / "encoder.safetensors").read_bytes() == first
    assert (run("noise", "0.1", key=1) / "encoder.safetensors").read_bytes() != first


def test_strengths_of_one_key_are_one_draw() -> None:
    before = state(read_pruned(MARKED, None).served)
    weak, strong = (state(read_pruned(MARKED, run("noise", strength)).served) for strength in ("0.1", "0.2"))
    name = next(name for name in before if name.endswith("conv1.weight"))
    change = strong[name] - before[name]
    assert torch.allclose(change, 2 * (weak[name] - before[name]), atol=1e-5)


def test_fine_tuning_trains_and_says_where() -> None:
    out = run("fine-tune", "1", learning_rate=0.01)
    before, after = state(read_pruned(MARKED, None).served), state(read_pruned(MARKED, out).served)
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert not torch.equal(after["backbone.bn1.running_mean"], before["backbone.bn1.running_mean"])
    assert not torch.equal(after["backbone.conv1.weight"], before["backbone.conv1.weight"])
    assert torch.equal(after["mean"], before["mean"])
    assert read_json(journal_path(out))["measured"]["device"] == "cpu"
    first = (out / "encoder.safetensors").read_bytes()
    assert (run("fine-tune", "1", learning_rate=0.01) / "encoder.safetensors").read_bytes() == first


def test_the_command_in_the_receipt_does_the_same_and_its_code_is_the_closure() -> None:
    out = run("adversarial-weights", "0.05", steps=1)
    before = (out / "encoder.safetensors").read_bytes()
    receipt = read_json(out / "receipt.json")
    words = shlex.split(receipt["command"])
    assert words[words.index("--objective-set") + 1] == "projection_dim=8"
    (out / "encoder.safetensors").unlink()
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, env=os.environ | {"PATH": scripts}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (out / "encoder.safetensors").read_bytes() == before
    again = read_json(out / "receipt.json")
    assert again["parameters"] == receipt["parameters"]
    used = (("encoders", "resnet18"), ("objectives", "simclr"), ("alterations", "adversarial-weights"))
    assert sorted(again["code"]) == list(code_identity.files("alter", used))


def test_failures_are_one_line_and_leave_no_receipt() -> None:
    out = run("noise", "0.1")
    with pytest.raises(PrunemarkError, match=r"^alterations\.noise: strength 11 is not allowed: "):
        alter(replace(REQUEST, strength="11", out=out))
    assert not (out / "receipt.json").exists()
    with pytest.raises(PrunemarkError, match=r"^absent/receipt\.json: no such file$"):
        alter(replace(REQUEST, marked=Path("absent"), out=out))
