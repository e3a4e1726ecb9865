"""What an edit of the code reruns: nothing where no result can depend on it, and the audit still holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from audited import Audited

from repository import Repository

ENCODER = "src/prunemark/model/encoder.py"
MAGNITUDE = "src/prunemark/methods/pruners/magnitude.py"


def commit_of_code(repository: Repository) -> None:
    repository.git("commit", "-qam", "an edit")


def test_a_comment_a_docstring_an_annotation_and_a_new_layout_plan_nothing(copy: Repository, audited: Audited) -> None:
    copy.edit(ENCODER, "# Measured on CPUs:", "# As was measured on CPUs:")
    copy.edit(ENCODER, '"""The encoder as an object:', '"""The encoder, an object:')
    copy.edit(ENCODER, "def norms_behind(encoder: Encoder)", "def norms_behind(encoder: nn.Module)")
    copy.edit(ENCODER, "kept: list[Tensor] = []", "kept = []")
    copy.edit("src/prunemark/metrics/knn.py", "TEMPERATURE = 0.1\n", "TEMPERATURE = (\n    0.1\n)\n")
    copy.edit("src/prunemark/stages/evaluate.py", '"""Score one cell', '"""Scores one cell')
    assert copy.planned() == {}
    commit_of_code(copy)
    assert audited(copy)[0] == 0


def test_a_docstring_that_the_page_prints_states_the_report_anew(copy: Repository) -> None:
    copy.edit(MAGNITUDE, "Magnitude pruning:", "Pruning by magnitude:")
    assert copy.planned() == {"report": 1}
    commit_of_code(copy)
    copy.run("prunemark", "build")
    assert "Pruning by magnitude:" in (copy.folder / "data/report/report.html").read_text()
    assert copy.planned() == {}
    copy.commit()
    assert "all accounted for" in copy.run("prunemark", "audit")


def test_what_only_watches_training_retrains_nothing(copy: Repository) -> None:
    """Held-out accuracy is logged by kNN, which evaluation uses too."""
    copy.edit("src/prunemark/metrics/knn.py", "TEMPERATURE = 0.1", "TEMPERATURE = 0.2")
    planned = copy.planned()
    assert "train" not in planned
    assert planned["evaluate"] == copy.everything()["evaluate"]


def test_a_field_and_a_bound_of_a_class_are_planned(copy: Repository) -> None:
    copy.edit(
        ENCODER,
        "    channels: dict[str, list[int]] | None = None\n",
        "    channels: dict[str, list[int]] | None = None\n    more: int = 0\n",
    )
    assert copy.planned() == copy.everything()


def test_a_step_that_runs_again_after_a_comment_leaves_the_same_receipt(copy: Repository) -> None:
    """Its journal entry says which bytes ran."""
    scores = "data/scores/tiny/simclr/0/reversible/0/magnitude/0.5/tiny"
    receipt, entry = (
        Path(f"{copy.folder}/{path}")
        for path in (f"{scores}/receipt.json", f"{scores.replace('data/', 'data/journal/')}.json")
    )
    before, journal = receipt.read_bytes(), entry.read_text()
    copy.edit("src/prunemark/metrics/knn.py", '"""Weighted', '# Votes.\n"""Weighted', count=1)
    copy.run("snakemake", "--cores", "2", "--forcerun", receipt.relative_to(copy.folder).as_posix())
    assert receipt.read_bytes() == before
    digest = hashlib.sha256((copy.folder / "src/prunemark/metrics/knn.py").read_bytes()).hexdigest()
    assert digest in entry.read_text()
    assert digest not in journal


def test_touched_over_a_change_of_meaning_the_audit_names_the_file_once(copy: Repository) -> None:
    copy.edit(ENCODER, "BATCH = 50", "BATCH = 25 * 2")
    copy.edit(MAGNITUDE, "weight.detach().abs()", "weight.abs().detach()")
    commit_of_code(copy)
    touched = copy.attempt("snakemake", "--touch", "--cores", "2")
    assert "dvc.lock left as it was" in touched.stdout
    assert copy.planned() == {}
    done = copy.attempt("prunemark", "audit")
    assert done.returncode == 1
    named = [line for line in done.stdout.splitlines() if "changed its meaning" in line]
    assert len(named) == 2, done.stdout
    assert sum(".snakemake/metadata" in line for line in done.stdout.splitlines()) <= 1
    encoder, magnitude = sorted(named, key=lambda line: "magnitude.py" in line)
    assert encoder.startswith(f"{ENCODER}: changed its meaning since ")
    assert "steps ran it" in encoder
    assert "reported numbers depend on it" in encoder
    assert "`prunemark build` runs them again" in magnitude
