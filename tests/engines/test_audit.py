"""One fraud, one break: each alteration must make the audit fail and name the right file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
import pytest
from audited import Audited
from repository import Repository

MARKED = "data/marked/tiny/simclr/0/reversible/0"
PRUNED = "data/pruned/tiny/simclr/0/reversible/0/magnitude/0.5"
SCORES = "data/scores/tiny/simclr/0/reversible/0/magnitude/0.5/tiny"
REPORT = "data/report"


def flip_bit(path: Path, at: float = 0.75) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


def flipped(name: str) -> Callable[[Repository], None]:
    return lambda repository: flip_bit(repository.folder / name)


def replaced(name: str, old: str, new: str, rehash: bool = False) -> Callable[[Repository], None]:
    def fraud(repository: Repository) -> None:
        path = repository.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        if rehash:
            hash_anew(repository, name)

    return fraud


def hash_anew(repository: Repository, name: str) -> None:
    """What a forger does: put the altered file's hash into its receipt."""
    digest = hashlib.sha256((repository.folder / name).read_bytes()).hexdigest()
    edit_receipt(repository, Path(name).parent, lambda content: content["outputs"].update({name: digest}))


def edit_receipt(repository: Repository, folder: str | Path, edit: Callable[[dict[str, Any]], object]) -> None:
    receipt = repository.folder / folder / "receipt.json"
    content = json.loads(receipt.read_text())
    edit(content)
    receipt.write_text(json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def weaken_a_claim_and_hash_anew(repository: Repository) -> None:
    repository.edit("claims.yaml", "at_least: -0.1}", "at_least: -1}")
    digest = hashlib.sha256((repository.folder / "claims.yaml").read_bytes()).hexdigest()
    edit_receipt(repository, REPORT, lambda content: content["inputs"].update({"claims.yaml": digest}))


def remove_claims(repository: Repository) -> None:
    (repository.folder / "claims.yaml").unlink()


def forget_claims(repository: Repository) -> None:
    edit_receipt(repository, REPORT, lambda content: content["inputs"].pop("claims.yaml"))


def first_number(repository: Repository) -> str:
    """The text of the first agreement in results.csv."""
    lines = (repository.folder / REPORT / "results.csv").read_text().splitlines()
    columns = lines[0].split(",")
    row = next(line.split(",") for line in lines if ",agreement," in line)
    return row[columns.index("value")]


def edited_number(name: str, rehash: bool) -> Callable[[Repository], None]:
    def fraud(repository: Repository) -> None:
        number = first_number(repository)
        shown = number if name.endswith(".csv") else f"{float(number) * 100:.1f}"
        text = (repository.folder / name).read_text()
        assert shown in text
        replaced(name, shown, shown[:-1] + ("7" if shown[-1] != "7" else "3"), rehash)(repository)

    return fraud


def remove_a_rate(repository: Repository) -> None:
    for name in (PRUNED, SCORES):
        for path in (repository.folder / name).iterdir():
            path.unlink()


def add_a_file(repository: Repository) -> None:
    (repository.folder / SCORES / "notes.txt").write_text("found lying about\n")


def change_a_metric(repository: Repository) -> None:
    with sqlite3.connect(repository.folder / "mlflow.db") as database:
        (run,) = database.execute(
            "select run_uuid from tags where key = 'prunemark.cell' and value = ?", (SCORES,)
        ).fetchone()
        for table in ("metrics", "latest_metrics"):
            database.execute(f"update {table} set value = 0.5 where run_uuid = ? and key = 'accuracy.frozen'", (run,))
    database.close()


def change_an_epoch(repository: Repository) -> None:
    """One point of a curve that MLflow shows, not its end."""
    with sqlite3.connect(repository.folder / "mlflow.db") as database:
        database.execute("update metrics set value = 0.5 where key = 'loss' and step = 1")
    database.close()


def link_elsewhere(repository: Repository) -> None:
    """The right bytes, in a file that anyone may change without touching data/."""
    path = repository.folder / SCORES / "samples.npz"
    path.rename(repository.folder / "elsewhere.npz")
    path.symlink_to(repository.folder / "elsewhere.npz")


def link_a_folder(repository: Repository) -> None:
    (repository.folder / "data/raw/other").symlink_to(repository.folder / "tiny", target_is_directory=True)


def link_into_data(repository: Repository) -> None:
    (repository.folder / "data/raw/tiny/again.json").symlink_to("dataset.json")


def edit_code_and_receipts(repository: Repository) -> None:
    """Other code than the commit's, which every receipt then names as if it had run."""
    repository.edit("src/prunemark/mask.py", '"""From scores', '"""By scores')

    def name_it(step: object, receipt: dict) -> None:
        receipt["code"] = {name: forge.sha256_file(Path(name)) for name in receipt["code"]}

    forge.forge(repository.folder, name_it)


def swap_seeds(repository: Repository) -> None:
    """The receipt of a null encoder says that it is the encoder of seed 0, everything else being made to agree."""
    name = "data/encoders/tiny/simclr/0/receipt.json"

    def other_seed(step: object, receipt: dict) -> None:
        if receipt["stage"] == "train" and receipt["seed"] == 0:
            receipt["seed"] = receipt["parameters"]["seed"] = 1000
            receipt["command"] = receipt["command"].replace("--seed 0", "--seed 1000")

    assert json.loads((repository.folder / name).read_text())["seed"] == 0
    forge.forge(repository.folder, other_seed)


def round_again(repository: Repository) -> None:
    """One digit less of one number, and the hash of the table made to agree."""
    path = repository.folder / REPORT / "results.csv"
    number = next(n for n in path.read_text().split(",") if len(n) == 12 and n.startswith("0."))
    replaced(f"{REPORT}/results.csv", number, f"{float(number):.8g}", rehash=True)(repository)


def a_directory_for_a_receipt(repository: Repository) -> None:
    (repository.folder / SCORES / "receipt.json").unlink()
    (repository.folder / SCORES / "receipt.json").mkdir()


FRAUDS: dict[str, tuple[Callable[[Repository], None], str]] = {
    "a bit of a trained encoder": (
        flipped("data/encoders/tiny/simclr/0/encoder.safetensors"),
        "data/encoders/tiny/simclr/0/encoder.safetensors: sha256 is",
    ),
    "a bit of a marked encoder": (flipped(f"{MARKED}/encoder.safetensors"), f"{MARKED}/encoder.safetensors: sha256"),
    "a bit of a mask": (flipped(f"{PRUNED}/mask.pmk"), f"{PRUNED}/mask.pmk: sha256 is"),
    "a bit of the samples": (flipped(f"{SCORES}/samples.npz"), f"{SCORES}/samples.npz: sha256 is"),
    "a bit of the scores": (flipped(f"{SCORES}/scores.json"), f"{SCORES}/scores.json: "),
    "a bit of a receipt": (flipped(f"{SCORES}/receipt.json"), f"{SCORES}/receipt.json: "),
    "a bit of the report's receipt": (flipped(f"{REPORT}/receipt.json"), f"{REPORT}/receipt.json: "),
    "a bit of a secret": (flipped(f"{MARKED}/secret.safetensors"), f"{MARKED}/secret.safetensors: sha256 is"),
    "a number in results.csv": (edited_number(f"{REPORT}/results.csv", False), f"{REPORT}/results.csv: "),
    "the same, hashed anew": (edited_number(f"{REPORT}/results.csv", True), f"{REPORT}/results.csv: does not come out"),
    "a number in report.html": (edited_number(f"{REPORT}/report.html", False), f"{REPORT}/report.html: "),
    "the page, hashed anew": (edited_number(f"{REPORT}/report.html", True), f"{REPORT}/report.html: does not come out"),
    "a score, hashed anew": (
        replaced(f"{SCORES}/scores.json", '"k": ', '"k": 1', rehash=True),
        f"{SCORES}/scores.json: does not come out again",
    ),
    "seconds in a journal": (
        replaced(f"data/journal/{SCORES.removeprefix('data/')}.json", '"seconds": ', '"seconds": 1'),
        f"data/journal/{SCORES.removeprefix('data/')}.json: sha256 is",
    ),
    "an extra file": (add_a_file, f"{SCORES}/notes.txt: unexplained"),
    "a missing rate": (remove_a_rate, f"{PRUNED}/receipt.json: missing"),
    "params.yaml edited after the run": (
        replaced("params.yaml", "epochs: 2", "epochs: 3"),
        "params.yaml: asks for epochs",
    ),
    "a rate asked for after the run": (replaced("params.yaml", "0.5]", "0.5, 0.75]"), "params.yaml: asks for"),
    "an edited source file": (
        replaced("src/prunemark/mask.py", '"""From scores', '"""By scores'),
        "src/prunemark/mask.py: sha256 is",
    ),
    "a metric changed in MLflow": (change_a_metric, "MLflow run "),
    "an epoch changed in MLflow": (change_an_epoch, "MLflow run "),
    "a receipt without outputs": (
        replaced(f"{SCORES}/receipt.json", '"outputs": {', '"outputs": null, "was": {'),
        f"{SCORES}/receipt.json: its fields are not those",
    ),
    "a receipt whose outputs are no hashes": (
        replaced(f"{SCORES}/receipt.json", '"inputs": {', '"inputs": {\n  "data": 1,'),
        f"{SCORES}/receipt.json: its inputs are not those",
    ),
    "a predicate weakened in claims.yaml": (
        replaced("claims.yaml", "at_least: -0.1}", "at_least: -1}"),
        "claims.yaml: sha256 is",
    ),
    "the predicate, hashed anew": (weaken_a_claim_and_hash_anew, f"{REPORT}/claims.json: does not come out again"),
    "claims.yaml removed": (remove_claims, "claims.yaml: missing"),
    "claims.yaml no input any more": (
        forget_claims,
        f"{REPORT}/receipt.json: does not name its input claims.yaml",
    ),
    "a verdict in claims.json": (
        replaced(f"{REPORT}/claims.json", '"verdict": "refuted"', '"verdict": "supported"'),
        f"{REPORT}/claims.json: does not come out again",
    ),
    "a verdict, hashed anew": (
        replaced(f"{REPORT}/claims.json", '"verdict": "refuted"', '"verdict": "supported"', rehash=True),
        f"{REPORT}/claims.json: does not come out again",
    ),
    "a verdict on the page, hashed anew": (
        replaced(f"{REPORT}/report.html", "\u2717 refuted", "\u2713 supported", rehash=True),
        f"{REPORT}/report.html: does not come out again",
    ),
    "a link in a file's place": (link_elsewhere, f"{SCORES}/samples.npz: a link, to "),
    "a linked folder": (link_a_folder, "data/raw/other: a link, to "),
    "a link from data/ into data/": (link_into_data, "data/raw/tiny/again.json: a link, to dataset.json"),
    "a landmark": (
        replaced(f"{REPORT}/landmarks.csv", ",knee,", ",Knee,", rehash=True),
        f"{REPORT}/landmarks.csv: does not come out again from scores, receipts and journals; made from the same scores as "
        "results.csv, none of whose numbers depends on it",
    ),
    "code that is not the commit's": (
        edit_code_and_receipts,
        f"{SCORES}/receipt.json: names code that is neither that of commit ",
    ),
    "swapped seeds": (swap_seeds, "params.yaml: asks for seed = 0 where data/encoders/tiny/simclr/0/receipt.json"),
    "a number rounded again": (round_again, f"{REPORT}/results.csv: does not come out again"),
    "a directory in a receipt's place": (a_directory_for_a_receipt, f"{SCORES}/receipt.json: cannot be read"),
}


@pytest.mark.parametrize("fraud", FRAUDS)
def test_fraud_is_named(copy: Repository, audited: Audited, fraud: str) -> None:
    commit, expected = FRAUDS[fraud]
    commit(copy)
    status, lines = audited()
    assert status == 1
    assert [line for line in lines if line.startswith(expected)], lines


def test_breaks_tell_which_numbers_depend_on_them(copy: Repository, audited: Audited) -> None:
    flip_bit(copy.folder / PRUNED / "mask.pmk")
    line = next(line for line in audited()[1] if line.startswith(f"{PRUNED}/mask.pmk"))
    rows = (copy.folder / REPORT / "results.csv").read_text().splitlines()[1:]
    concerned = [row for row in rows if ",reversible,0," in row and ",magnitude,0.5," in row]
    assert f"{len(concerned)} of {len(rows)} reported numbers depend on it" in line
    assert "watermark=reversible key=0 pruner=magnitude rate=0.5" in line


def test_code_that_differs_and_says_so_is_counted(copy: Repository) -> None:
    """A declared difference is a note, not a break."""
    edit_code_and_receipts(copy)
    journals = sorted((copy.folder / "data/journal").rglob("*.json"))
    for path in journals:
        text = path.read_text()
        path.write_text(text.replace('"code_differs_from_commit": false', '"code_differs_from_commit": true'))
    forge.forge(copy.folder)
    printed = copy.run("prunemark", "audit")
    assert (
        f"git: {len(journals)} of {len(journals)} receipts were made with code that differs from its commit" in printed
    )


def test_results_without_a_commit_here_are_said_to_be_unchecked(copy: Repository) -> None:
    copy.run("rm", "-rf", ".git")
    copy.git("init", "-q")
    assert "git: not checked for 36 of 36 receipts, whose commit is not in this repository" in copy.run(
        "prunemark", "audit"
    )


def test_the_document_for_machines_says_what_lines_say(copy: Repository) -> None:
    whole = json.loads(copy.run("sh", "-c", "prunemark audit --json --recompute 2>/dev/null"))
    assert whole["holds"]
    assert [level["breaks"] for level in whole["levels"]] == [[], []]
    assert whole["levels"][1]["not_recomputed"]["macs"]["rows"] == 12
    flip_bit(copy.folder / PRUNED / "mask.pmk")
    done = copy.attempt("sh", "-c", "prunemark audit --json --recompute 2>/dev/null")
    broken = json.loads(done.stdout)
    assert done.returncode == 1
    assert not broken["holds"]
    (fault,) = [found for found in broken["levels"][0]["breaks"] if found["path"] == f"{PRUNED}/mask.pmk"]
    assert fault["reason"].startswith("sha256 is")
    assert "reported numbers depend on it" in fault["dependents"]
    assert broken["levels"][1] == {"level": "audit --recompute", "ran": False}


def test_the_command_exits_with_the_audits_status(copy: Repository) -> None:
    assert "all accounted for" in copy.run("prunemark", "audit")
    add_a_file(copy)
    assert copy.attempt("prunemark", "audit").returncode == 1


def test_without_dvc_and_mlflow_they_are_said_to_be_unchecked(copy: Repository) -> None:
    (copy.folder / "dvc.lock").unlink()
    (copy.folder / "mlflow.db").unlink()
    printed = copy.run("prunemark", "audit")
    assert "dvc.lock: not checked" in printed
    assert "MLflow: not checked" in printed
