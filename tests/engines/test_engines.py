"""Both engines on one built grid: what runs again, and what does not (DESIGN section 4)."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from audited import Audited

from repository import Repository

# What is timed takes turns with all other rates of its pruner, so these are timed again.
RATE_OF_ALL = ("rates: [0, 0.5]", "rates: [0, 0.5, 0.25]")
ALL_CELLS = {"prune": 4, "prune_and_recover": 2, "shrink": 2, "evaluate": 8, "latency": 4, "report": 1}
RATE_OF_ONE = ("magnitude: {}", "magnitude: {rates: [0, 0.5, 0.25]}")
TIMED = {"latency": 1, "report": 1}


def nothing_to_do(repository: Repository) -> None:
    assert repository.planned() == {}
    printed = repository.run("dvc", "repro")
    assert "Running stage" not in printed
    assert "up to date" in printed


def build_by(engine: str, repository: Repository) -> None:
    commands = {"snakemake": ("snakemake", "--cores", "2"), "dvc": ("dvc", "repro")}
    repository.run(*commands[engine])


def test_a_built_grid_has_nothing_to_do(copy: Repository, audited: Audited) -> None:
    nothing_to_do(copy)
    assert audited(copy)[0] == 0


def shuffle_times(repository: Repository) -> None:
    generator, now = random.Random(0), time.time()
    for path in repository.folder.rglob("*"):
        if ".git" not in path.parts and path.is_file() and not path.is_symlink():
            moment = now - generator.uniform(0, 1e6)
            os.utime(path, (moment, moment))


def test_pull_into_a_fresh_clone_plans_nothing_whatever_the_times(
    copy: Repository, tmp_path: Path, audited: Audited
) -> None:
    copy.run("dvc", "remote", "add", "-d", "storage", str(tmp_path / "storage"))
    copy.run("dvc", "push")
    copy.commit()
    clone = copy.clone(tmp_path / "clone")
    clone.run("dvc", "pull")
    nothing_to_do(clone)
    assert audited(clone)[0] == 0
    shuffle_times(clone)
    nothing_to_do(clone)
    assert audited(clone)[0] == 0


def test_a_rate_for_all_pruners_adds_its_cells(copy: Repository) -> None:
    copy.edit("params.yaml", *RATE_OF_ALL)
    assert copy.planned() == ALL_CELLS


def test_a_rate_added_by_one_engine_and_removed_by_the_other(copy: Repository, audited: Audited) -> None:
    before, locked = copy.hashes(), copy.locked()
    copy.edit("params.yaml", *RATE_OF_ONE)
    assert copy.planned() == {"prune": 2, "evaluate": 2, **TIMED}
    build_by("snakemake", copy)
    nothing_to_do(copy)
    more = copy.hashes()
    kept = [path for path in before if "results.csv" not in path and "/latency/" not in path]
    assert {path: more[path] for path in kept} == {path: before[path] for path in kept}

    copy.edit("params.yaml", *reversed(RATE_OF_ONE))
    assert copy.planned() == TIMED
    build_by("dvc", copy)
    nothing_to_do(copy)
    assert copy.hashes() == before
    assert copy.locked() == locked
    assert audited(copy)[0] == 0


def test_more_epochs_rerun_training_and_all_below(copy: Repository) -> None:
    everything = copy.everything()
    copy.edit("params.yaml", "epochs: 2", "epochs: 3")
    assert copy.planned() == {rule: count for rule, count in everything.items() if rule != "fetch"}


def test_an_edited_pruner_reruns_its_cells_alone(copy: Repository) -> None:
    copy.edit("src/prunemark/methods/pruners/magnitude.py", "weight.detach().abs()", "weight.abs().detach()")
    assert copy.planned() == {"prune": 2, "prune_and_recover": 2, "evaluate": 4, "latency": 2, "report": 1}
    build_by("snakemake", copy)
    nothing_to_do(copy)


def test_an_edited_scheme_reruns_from_its_marking_on(copy: Repository) -> None:
    copy.edit("src/prunemark/methods/watermarks/reversible.py", "KIND = ", "EDITED = True\nKIND = ", count=1)
    planned = copy.planned()
    assert planned["watermark"] == 1
    assert "train" not in planned
    assert planned["prune"] == 2


def test_an_edited_claim_states_the_report_anew_and_nothing_else(copy: Repository, audited: Audited) -> None:
    before = copy.hashes()
    copy.edit("claims.yaml", "at_most: 0.05}", "at_most: 0.04}")
    assert copy.planned() == {"report": 1}
    build_by("dvc", copy)
    nothing_to_do(copy)
    assert copy.hashes() == before
    assert audited(copy)[0] == 0


def test_a_faulty_claim_is_one_line_before_anything_runs(copy: Repository) -> None:
    copy.edit("claims.yaml", "kind: [weights]", "kind: [weights], pruner: [lamp]")
    done = copy.attempt("snakemake", "-n", "--forceall")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == (
        "prunemark: claims.yaml: accuracy-to-one-half.where.pruner: 'lamp' is not one of magnitude, random, rested"
    )


def test_a_new_pruner_file_reruns_nothing(copy: Repository) -> None:
    source = copy.folder / "src/prunemark/methods/pruners/magnitude.py"
    source.with_name("largest.py").write_text(source.read_text().replace(".abs()", ".abs().neg()"))
    assert copy.planned() == {}


def test_a_downstream_probe_adds_evaluations_and_nothing_else(copy: Repository, audited: Audited) -> None:
    before = copy.hashes()
    task = "  other: {method: folder, heldout: 16, keypool: 32, set: {path: tiny, image_size: 12}, pretrain: false}\n"
    copy.edit("params.yaml", "downstream: []\n", task + "downstream: [other]\n")
    everything = copy.everything()
    planned = copy.planned()
    assert {rule: planned.get(rule, 0) for rule in ("fetch", "train", "watermark", "prune", "shrink")} == {
        "fetch": 1, "train": 0, "watermark": 0, "prune": 0, "shrink": 0,
    }  # fmt: skip
    assert planned["evaluate"] == everything["evaluate"] / 2
    build_by("snakemake", copy)
    nothing_to_do(copy)
    assert audited(copy)[0] == 0
    after = copy.hashes()
    assert {path: after[path] for path in before if "results.csv" not in path} == {
        path: digest for path, digest in before.items() if "results.csv" not in path
    }
    probes = {line.split(",")[9] for line in (copy.folder / "data/report/results.csv").read_text().splitlines()[1:]}
    assert probes == {"tiny", "other"}


def test_an_edited_readme_reruns_nothing(copy: Repository) -> None:
    with (copy.folder / "README.md").open("a") as file:
        file.write("\nOne more line.\n")
    assert copy.planned() == {}
    assert copy.dvc_is_clean()


@pytest.mark.slow
def test_a_lost_artefact_is_made_again_by_every_later_target(copy: Repository) -> None:
    before = copy.hashes()
    lost = next((copy.folder / "data/pruned").rglob("magnitude/0.5/mask.pmk"))
    for stage in ("prune", "evaluate", "report"):
        lost.unlink()
        assert copy.planned()["prune"] == 1
        copy.run("prunemark", "build", stage)
        assert lost.is_file()
    copy.run("prunemark", "build")
    assert copy.hashes() == before
    nothing_to_do(copy)


@pytest.mark.slow
def test_a_partial_target_leaves_the_dvc_lock_alone(copy: Repository) -> None:
    lock = (copy.folder / "dvc.lock").read_bytes()
    copy.edit("params.yaml", "epochs: 2", "epochs: 3")
    copy.run("snakemake", "--cores", "2", "all_train")
    assert (copy.folder / "dvc.lock").read_bytes() == lock


def test_every_code_file_that_runs_is_an_input_of_its_rule(built: Repository) -> None:
    """What is computed for a step is what the step's process really imported."""
    import json

    probe = (
        "import json; from prunemark.plan import grid; from prunemark.plan.params_file import read_params; "
        "from prunemark.receipts.code_identity import files; "
        "print(json.dumps({s.folder: list(files(s.command, s.methods)) for s in grid.all_steps(read_params())}))"
    )
    computed = json.loads(built.run("python", "-c", probe))
    for folder, files in computed.items():
        receipt = json.loads((built.folder / folder / "receipt.json").read_text())
        assert sorted(receipt["code"]) == files, folder


def test_bad_parameters_stop_everything_before_it_starts(copy: Repository) -> None:
    before = copy.hashes()
    copy.edit("params.yaml", "magnitude: {}", "magnitud: {}")
    for command in (("snakemake", "--cores", "2"), ("prunemark", "build"), ("prunemark", "publish")):
        done = copy.attempt(*command)
        assert done.returncode == 2
        assert "pruners: 'magnitud' is not one of bn-scale, erk, fisher" in done.stdout
    assert copy.hashes() == before


@pytest.mark.parametrize("command", [("snakemake", "--cores", "2"), ("prunemark", "build")])
def test_a_step_that_fails_says_why(copy: Repository, command: tuple[str, ...]) -> None:
    copy.edit("params.yaml", "head_images: 64", "head_images: 6400")
    done = copy.attempt(*command)
    assert done.returncode != 0
    assert "prunemark: head_images: 6400 is not allowed: at most 192, the train split's size" in done.stdout


def test_a_second_build_waits_for_nobody(copy: Repository) -> None:
    code = "from prunemark.engine import lock; import time; lock.hold(); print('held', flush=True); time.sleep(60)"
    holder = copy.start("python", "-c", code, output=copy.folder / "holder.txt")
    while "held" not in (copy.folder / "holder.txt").read_text():
        assert holder.poll() is None, (copy.folder / "holder.txt").read_text()
        time.sleep(0.1)
    done = copy.attempt("prunemark", "build")
    holder.kill()
    holder.wait()
    assert done.returncode == 2
    assert "another build is at work" in done.stdout
