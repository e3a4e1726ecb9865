"""What the report is made of: everything that it reads is among the inputs of its receipt. And the pages that both
engines make of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import vl_convert

from repository import Repository

READ = """
import json, sys
from pathlib import Path
from prunemark.plan import grid
from prunemark.claims.file import read_claims
from prunemark.formats.conditions import Conditions
from prunemark.formats.written import read
from prunemark.plan.params_file import read_params
from prunemark.stages.report import compose
params, opened = read_params(), set()
scores = [Path(step.folder) for step in grid.steps(params, "evaluate") if step.folder.names]
claims = read_claims(Path("claims.yaml"), params.model_dump(mode="json"))
stated = read(Path("data/report/conditions.json"), Conditions)
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


def test_snakemake_and_dvc_make_pages_of_a_built_grid(copy: Repository, tmp_path: Path) -> None:
    """Snakemake's has every file with its caption, DVC's a line per pruner; making them leaves nothing to be done."""
    page = tmp_path / "page.html"
    copy.run("snakemake", "--report", str(page))
    text = page.read_text()
    captions = {path.name for path in (copy.folder / "workflow/report").glob("*.rst")} - {"workflow.rst"}
    rule = (copy.folder / "workflow/rules/report.smk").read_text()
    named = re.findall(r'report\(\s*"(data/report/[^"]+)",\s*caption="../report/(\w+\.rst)"', rule)
    assert {caption for _, caption in named} == captions
    receipt = json.loads((copy.folder / "data/report/receipt.json").read_text())
    assert {name for name, _ in named} == set(receipt["outputs"])
    results, _ = json.JSONDecoder().raw_decode(text, text.index('{"data/report/', text.index('<script id="results">')))
    assert {name: bool(entry["caption"].strip()) for name, entry in results.items()} == dict.fromkeys(
        receipt["outputs"], True
    )
    assert "What this page shows is trusted as far as" in text

    spec = json.loads(copy.run("dvc", "plots", "show", "--show-vega", "curves"))
    drawn = vl_convert.vegalite_to_svg(spec, vl_version="5.20")
    shown = set(re.findall(r">([^<>]+)</text>", drawn))
    pruners = {"magnitude", "random", "rested", "l1-filter"}
    panels = {
        "accuracy, frozen head",
        "accuracy, refitted head",
        "agreement, frozen head",
        "AuthSR of the mark",
        "AuthSR sha256",
    }
    assert pruners | panels | {"simclr, none (tiny)", "simclr, reversible (tiny)"} <= shown
    assert not {"noise", "original", "simclr, pixels (tiny)"} & shown

    copy.run("dvc", "plots", "show")
    shell = (copy.folder / "dvc_plots/index.html").read_text()
    assert all(f'"{name}"' in shell for name in ("data_report_plots_curves_csv", "data_report_plots_confusion_csv"))
    library = re.search(r'<script src="([^"]+)">', shell)
    assert library is not None
    assert (copy.folder / "dvc_plots" / library[1]).is_file()
    assert copy.run("git", "status", "--porcelain", "dvc_plots") == ""

    assert "| magnitude" in copy.run("prunemark", "report", "--format", "markdown")
    assert copy.planned() == {}
    assert copy.dvc_is_clean()
