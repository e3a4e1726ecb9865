"""What the page holds of receipts and journals, and how large it may be."""

from __future__ import annotations

import hashlib
import shlex

import pages
import pytest
from pages import CONDITIONS, NO_CLAIMS, Reader, asked, evidence, grid, table_of

from prunemark import registry
from prunemark.formats.receipt import RECEIPT
from prunemark.page import library, render
from prunemark.page.chains import packed_chains
from prunemark.page.supplement import Evidence
from prunemark.receipts.recorder import with_template
from prunemark.results import landmarks
from prunemark.results import table as results
from prunemark.results.formulas import FORMULAS

LARGEST = 3_000_000
FIVE_HUNDRED = asked(
    pruners={f"pruner-{i}": {"method": "magnitude"} for i in range(25)},
    rates=[0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99],
    seeds=[0],
    watermarks={"none": {"method": "none"}, "uchida": {"method": "uchida"}},
)


@pytest.fixture(scope="module")
def kept():
    return evidence(grid(asked()))


def unpacked(chains):
    """Steps as receipts again, by a reading of the format that shares nothing with the code that packs it."""
    folders = [f"data/{step['at']}" for step in chains["steps"]]
    files = []
    for step, folder in zip(chains["steps"], folders, strict=True):
        names = [chains["names"][number] for number in chains["outputs"][step["w"]]]
        hashes = [step["h"][i : i + 64] for i in range(0, len(step["h"]), 64)]
        files += zip((f"{folder}/{name}" for name in (*names, RECEIPT)), hashes, strict=True)
    for step, folder in zip(chains["steps"], folders, strict=True):
        options, *values = step["o"]
        words = [folders[-1 - value] if value < 0 else chains["words"][value] for value in values]
        options = [f"--{name}" for name in chains["options"][options]]
        stage = chains["words"][step["is"]]
        read = {}
        for item in step["r"]:
            number, *other = item if isinstance(item, list) else [item]
            name, sha = chains["outside"][-1 - number] if number < 0 else files[number]
            read[name] = other[0] if other else sha
        line = shlex.join(["prunemark", stage, *(word for pair in zip(options, words, strict=True) for word in pair)])
        yield (
            folder,
            {
                "stage": stage,
                "command": step.get("command", line),
                "seed": step.get("seed"),
                "inputs": read,
                "code": dict(chains["code"][number] for number in chains["sets"][step["c"]]),
                "outputs": {
                    name: sha for name, sha in files if name.startswith(f"{folder}/") and not name.endswith(RECEIPT)
                },
            },
        )


def test_every_receipt_comes_out_again(kept):
    found = dict(unpacked(packed_chains(kept)))
    assert list(found) == list(kept.receipts)
    assert len(found) > 30
    for folder, (receipt, _) in kept.receipts.items():
        for name, value in found[folder].items():
            assert value == getattr(receipt, name)


def test_a_receipt_that_says_another_hash_or_command_is_shown_as_it_is(kept):
    receipts = dict(kept.receipts)
    folder = next(name for name in receipts if name.startswith("data/scores"))
    receipt, digest = receipts[folder]
    name = next(name for name in receipt.inputs if name.endswith("encoder.safetensors") or name.endswith(RECEIPT))
    inputs = receipt.inputs | {name: "0" * 64}
    receipts[folder] = (
        receipt.model_copy(update={"inputs": inputs, "command": "prunemark evaluate --out elsewhere"}),
        digest,
    )
    found = dict(unpacked(packed_chains(Evidence(receipts, kept.journals))))
    assert found[folder]["inputs"] == inputs
    assert found[folder]["command"] == "prunemark evaluate --out elsewhere"


def test_journals_stand_beside_their_steps(kept):
    chains = packed_chains(kept)
    for step in chains["steps"]:
        number, started, seconds = step["j"]
        journal = kept.journals[f"data/{step['at']}"]
        assert (started, seconds) == (journal.started, journal.seconds)
        facts = chains["surroundings"][number]
        assert facts["versions"] == "numpy 2.0 torch 2.6"
        assert all(
            facts[name] == getattr(journal, name) for name in ("commit", "code_differs_from_commit", "host", "cpu")
        )


def test_five_hundred_cells_are_at_most_three_megabytes(monkeypatch):
    monkeypatch.setattr(pages, "CLASSES", 10)
    monkeypatch.setattr(pages, "IMAGES", 2000)
    contents = grid(FIVE_HUNDRED)
    assert sum(cell[5] != "original" for cell in contents) == 500
    rows = table_of(contents)
    summaries = results.summarise(rows)
    found = landmarks.landmarks(rows, summaries, FIVE_HUNDRED)
    text = render.render(rows, summaries, found, contents, FIVE_HUNDRED, CONDITIONS, NO_CLAIMS, evidence(contents))
    assert len(Reader(text).rows) == len(rows)
    assert len(text.encode()) <= LARGEST


def test_every_metric_of_a_page_has_a_formula():
    metrics = {row["metric"] for content in grid(asked()).values() for row in content.rows}
    assert metrics <= set(FORMULAS)


def test_what_a_page_inlines_is_code_of_its_package():
    folder = registry.PACKAGE / "page"
    inlined = {path for path in folder.iterdir() if path.suffix in (".js", ".css", ".j2")}
    assert len(inlined) > 10
    assert set(with_template(folder / "__init__.py")) == {folder / "__init__.py", *inlined}
    assert with_template(folder / "render.py") == [folder / "render.py"]


def test_a_kept_library_is_believed_only_where_it_is_the_known_one(tmp_path, monkeypatch):
    made = library.script()
    monkeypatch.setattr(library, "CACHE", tmp_path)
    library.script.cache_clear()
    known = library.KNOWN.get(library.version(library.PACKAGE))
    assert known in (None, hashlib.sha256(made.encode()).hexdigest())
    for content in ("alert(1)", made):
        (tmp_path / f"vega-{library.version(library.PACKAGE)}.js").write_text(content)
        assert library.script() == made
        library.script.cache_clear()
