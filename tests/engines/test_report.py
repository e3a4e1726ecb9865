"""What the report is made of: everything that it reads is among the inputs of its receipt."""

from __future__ import annotations

import json
import sys

from repository import Repository

READ = """
import json, sys
from pathlib import Path
from prunemark import grid
from prunemark.claims.file import read_claims
from prunemark.params_file import read_params
from prunemark.stages.report import compose
params, opened = read_params(), set()
scores = [Path(step.folder) for step in grid.steps(params, "evaluate") if step.folder.names]
claims = read_claims(Path("claims.yaml"), params.model_dump(mode="json"))
stated = json.loads(Path("data/report/conditions.json").read_text())
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[1] == "r":
        opened.add(str(Path(str(arguments[0]))))
sys.addaudithook(note)
files = compose(scores, params.model_dump(mode="json"), claims, stated)
print(json.dumps([sorted(opened), {name: len(content) for name, content in files.items()}]))
"""


def test_all_that_the_report_reads_is_an_input(built: Repository) -> None:
    opened, files = json.loads(built.run(sys.executable, "-c", READ).splitlines()[-1])
    receipt = json.loads((built.folder / "data/report/receipt.json").read_text())
    read = {name for name in opened if name.startswith("data/")}
    assert len([name for name in read if name.endswith("receipt.json")]) > 20
    assert any(name.endswith("samples.npz") for name in read)
    assert any(name.endswith("calibration.json") for name in read)
    assert any(name.startswith("data/journal/") for name in read)
    assert read <= set(receipt["inputs"])
    assert "data/raw/tiny/images.safetensors" in receipt["inputs"]
    assert {f"data/report/{name}" for name in files} == set(receipt["outputs"])
