from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from prunemark.disk.files import canonical_json
from prunemark.questions.sources import RESULTS, Run, open_run

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/receipts.tar.xz"))


@pytest.fixture(scope="session", params=EXAMPLES, ids=lambda path: path.name)
def example(request: pytest.FixtureRequest) -> Run:
    return open_run(request.param)


@pytest.fixture(scope="session")
def pruning() -> Run:
    return open_run(ROOT / "examples/pruning")


CODE = {
    "fetch": "f.py", "train": "t.py", "watermark": "w.py", "prune": "p.py", "evaluate": "e.py", "report": "r.py",
}  # fmt: skip


class Tree:
    """A run of a few receipts in memory: raw data, an encoder, its mark, a mask, the scores before and after pruning."""

    MARKED, PRUNED = "data/marked/d/e/0/w/0", "data/pruned/d/e/0/w/0/magnitude/0.5"
    BEFORE, SCORES = "data/scores/d/e/0/w/0/original/0/d", "data/scores/d/e/0/w/0/magnitude/0.5/d"

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.code = {name: "1" for name in CODE.values()}
        self.settings: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, str] = {}
        self.values = {self.BEFORE: 0.9, self.SCORES: 0.8}

    def build(self) -> Tree:
        self.step("fetch", "data/raw/d", {}, {"archive.tar": "0" * 64})
        self.step("train", "data/encoders/d/e/0", {"data": "data/raw/d", "seed": 0})
        self.step("train", "data/encoders/d/e/9", {"data": "data/raw/d", "seed": 9})
        encoder, null = "data/encoders/d/e/0", "data/encoders/d/e/9"
        self.step("watermark", self.MARKED, {"data": "data/raw/d", "encoder": encoder, "null": [null], "seed": 0})
        self.step("prune", self.PRUNED, {"data": "data/raw/d", "encoder": encoder, "marked": self.MARKED, "seed": 0})
        self.step("evaluate", self.BEFORE, {"data": "data/raw/d", "marked": self.MARKED})
        pruned = {"data": "data/raw/d", "marked": self.MARKED, "pruned": self.PRUNED, "original": self.BEFORE}
        self.step("evaluate", self.SCORES, pruned)
        head = "schema,dataset,encoder,seed,watermark,key,check,pruner,rate,probe_dataset,head,metric,unit,value,k,n,ci_low,ci_high,statistic,threshold,fpr,fpr_upper"
        rows = [head]
        for folder, value in self.values.items():
            _, _, dataset, encoder, seed, mark, key, pruner, rate, probe = folder.split("/")
            cell = f"1,{dataset},{encoder},{seed},{mark},{key},,{pruner},{rate},{probe}"
            rows.append(f"{cell},frozen,accuracy,images,{value},{round(value * 10)},10,0.1,1.0,,,,")
        self.files[RESULTS] = ("\n".join(rows) + "\n").encode()
        self.step("report", "data/report", {"asked": "x"}, reads=(self.BEFORE, self.SCORES))
        return self

    def step(
        self,
        stage: str,
        folder: str,
        parameters: dict[str, Any],
        outside: dict[str, str] | None = None,
        reads: tuple[str, ...] = (),
    ) -> None:
        given = {**parameters, **self.settings.get(stage, {}), "out": folder}
        named = [name for value in parameters.values() for name in (value if isinstance(value, list) else [value])]
        parents = [name for name in (*named, *reads) if isinstance(name, str) and f"{name}/receipt.json" in self.files]
        inputs = dict(outside or {})
        for parent in parents:
            receipt = self.files[f"{parent}/receipt.json"]
            inputs |= json.loads(receipt)["outputs"] | {f"{parent}/receipt.json": digest(receipt)}
        used = {
            "code": self.code[CODE[stage]],
            "inputs": {k: v for k, v in inputs.items() if not k.endswith("receipt.json")},
        }
        made = self.contents.get(folder, canonical_json(used | {"parameters": given}))
        name = "scores.json" if stage == "evaluate" else "artefact"
        outputs = {f"{folder}/{name}": digest(made.encode())}
        if stage == "report":
            outputs = {RESULTS: digest(self.files[RESULTS])}
        receipt = {
            "schema": 1, "stage": stage, "command": f"prunemark {stage}", "parameters": given, "seed": given.get("seed"),
            "inputs": inputs, "outputs": outputs, "code": {CODE[stage]: digest(self.code[CODE[stage]].encode())},
        }  # fmt: skip
        self.files[f"{folder}/receipt.json"] = canonical_json(receipt).encode()

    def run(self, name: str = "tree") -> Run:
        return Run(name, self.files.get)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tree() -> Tree:
    return Tree()


@pytest.fixture
def other() -> Tree:
    return Tree()
