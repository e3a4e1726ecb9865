"""Ways to break the chain of files, receipts, code and parameters, each with the break that it must be."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
from edits import Edit, flipped, hash_anew, replaced
from places import JOURNAL, MARKED, PRUNED, REPORT, SCORES

from prunemark.receipts.meaning import identity

EDIT = ('MAGIC = b"PMK1"', 'MAGIC = b"PM" b"K1" * 1')


def remove_a_rate(folder: Path) -> None:
    for name in (PRUNED, SCORES):
        for path in (folder / name).iterdir():
            path.unlink()


def add_a_file(folder: Path) -> None:
    (folder / SCORES / "notes.txt").write_text("found lying about\n")


def link_elsewhere(folder: Path) -> None:
    """The right bytes, in a file that anyone may change without touching data/."""
    path = folder / SCORES / "samples.npz"
    path.rename(folder / "elsewhere.npz")
    path.symlink_to(folder / "elsewhere.npz")


def link_a_folder(folder: Path) -> None:
    (folder / "data/raw/other").symlink_to(folder / "tiny", target_is_directory=True)


def link_into_data(folder: Path) -> None:
    (folder / "data/raw/tiny/again.json").symlink_to("dataset.json")


def edit_code_and_receipts(folder: Path) -> None:
    """Other code than the commit's, which every receipt then names as if it had run."""
    forge.replace(folder / "src/prunemark/pruning/mask.py", *EDIT)

    def name_it(step: object, receipt: dict[str, Any]) -> None:
        receipt["code"] = {name: identity(name, Path(name).read_bytes()) for name in receipt["code"]}

    for path in (folder / "data/journal").rglob("*.json"):
        forge.edit_json(path, lambda entry: entry.update(code=bytes_here(folder, entry["code"])))
    forge.forge(folder, name_it)


def bytes_here(folder: Path, code: dict[str, str]) -> dict[str, str]:
    return {name: forge.sha256_file(folder / name) for name in code}


def bytes_that_did_not_run(folder: Path) -> None:
    """A journal that names other bytes than the commit's, of code with the same meaning."""
    forge.replace(folder / "src/prunemark/pruning/mask.py", '"""From scores', '"""By scores')
    forge.edit_json(folder / JOURNAL, lambda entry: entry.update(code=bytes_here(folder, entry["code"])))
    forge.forge(folder)


def delete_journals(folder: Path) -> None:
    """The same, of cells whose journals, which name the commit, are gone: no receipt speaks of them any more."""
    gone = [path for path in (folder / "data/journal").rglob("*.json") if "/magnitude/" in path.as_posix()]
    for path in gone:
        path.unlink()
    names = {path.relative_to(folder).as_posix() for path in gone}

    def drop(step: object, receipt: dict[str, Any]) -> None:
        receipt["inputs"] = {name: digest for name, digest in receipt["inputs"].items() if name not in names}

    forge.forge(folder, drop)


def replace_in_git(folder: Path) -> None:
    """The same, with the commit's file replaced in git's own answers."""
    edit_code_and_receipts(folder)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    git(
        "replace",
        git("rev-parse", "HEAD:src/prunemark/pruning/mask.py"),
        git("hash-object", "-w", "src/prunemark/pruning/mask.py"),
    )


def names_commit(change: Callable[[str], str | None]) -> Edit:
    """Other code than the commit's, of which a cell's journal names none that could be asked about it."""

    def edit(folder: Path) -> None:
        forge.edit_json(folder / JOURNAL, lambda entry: entry.update(commit=change(entry["commit"])))
        edit_code_and_receipts(folder)

    return edit


def stale_code(folder: Path) -> None:
    """One cell was pruned by an earlier version of the code, all that follows from its receipt being made to agree."""

    def name_the_earlier(step: Any, receipt: dict[str, Any]) -> None:
        if str(step.folder) == PRUNED:
            receipt["code"]["src/prunemark/pruning/mask.py"] = receipt["code"]["src/prunemark/errors.py"]

    forge.forge(folder, name_the_earlier)


def swap_seeds(folder: Path) -> None:
    """The receipt of a null encoder says that it is the encoder of seed 0, everything else being made to agree."""

    def other_seed(step: object, receipt: dict[str, Any]) -> None:
        if receipt["stage"] == "train" and receipt["seed"] == 0:
            receipt["seed"] = receipt["parameters"]["seed"] = 1000
            receipt["command"] = receipt["command"].replace("--seed 0", "--seed 1000")

    assert json.loads((folder / "data/encoders/tiny/simclr/0/receipt.json").read_text())["seed"] == 0
    forge.forge(folder, other_seed)


def exchange_seeds(folder: Path) -> None:
    """The folders of two seeds, receipts and all, everything after them being made to agree."""
    for before, after in (("0", "kept"), ("1000", "0"), ("kept", "1000")):
        (folder / "data/encoders/tiny/simclr" / before).rename(folder / "data/encoders/tiny/simclr" / after)
    forge.forge(folder)


def copy_a_cell(folder: Path) -> None:
    """The cell of random pruning in the place of one by magnitude, receipts and all."""
    for name in (PRUNED, SCORES):
        shutil.copytree(folder / name.replace("magnitude", "random"), folder / name, dirs_exist_ok=True)
    forge.forge(folder)


def another_key(folder: Path) -> None:
    forge.another_key(folder / MARKED / "secret.safetensors")


def another_key_hashed_anew(folder: Path) -> None:
    another_key(folder)
    hash_anew(folder, f"{MARKED}/secret.safetensors")


def a_directory_for_a_receipt(folder: Path) -> None:
    (folder / SCORES / "receipt.json").unlink()
    (folder / SCORES / "receipt.json").mkdir()


def change_a_metric(folder: Path) -> None:
    with sqlite3.connect(folder / "mlflow.db") as database:
        (run,) = database.execute(
            "select run_uuid from tags where key = 'prunemark.cell' and value = ?", (SCORES,)
        ).fetchone()
        for table in ("metrics", "latest_metrics"):
            database.execute(f"update {table} set value = 0.5 where run_uuid = ? and key = 'accuracy.frozen'", (run,))
    database.close()


def change_an_epoch(folder: Path) -> None:
    """One point of a curve that MLflow shows, not its end."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("update metrics set value = 0.5 where key = 'loss' and step = 1")
    database.close()


def forge_beside_dvc(folder: Path) -> None:
    """Everything made consistent but dvc.lock, which is in the commits of others."""
    lock = (folder / "dvc.lock").read_bytes()
    forge.edit_samples(folder / SCORES, lambda arrays: arrays.update(predicted_frozen=arrays["labels"]))
    forge.forge(folder)
    (folder / "dvc.lock").write_bytes(lock)


# What DVC or MLflow alone knows.
TRACKED: dict[str, tuple[Edit, str]] = {
    "a number changed in MLflow: a metric": (change_a_metric, "MLflow run "),
    "a number changed in MLflow: an epoch": (change_an_epoch, "MLflow run "),
    "a forgery that dvc.lock contradicts": (forge_beside_dvc, f"{SCORES}/samples.npz: not what dvc.lock says"),
}
FRAUDS: dict[str, tuple[Edit, str]] = {
    "a flipped bit: a trained encoder": (
        flipped("data/encoders/tiny/simclr/0/encoder.safetensors"),
        "data/encoders/tiny/simclr/0/encoder.safetensors: sha256 is",
    ),
    "a flipped bit: a marked encoder": (
        flipped(f"{MARKED}/encoder.safetensors"),
        f"{MARKED}/encoder.safetensors: sha256",
    ),
    "a flipped bit: a mask": (flipped(f"{PRUNED}/mask.pmk"), f"{PRUNED}/mask.pmk: sha256 is"),
    "a flipped bit: the samples": (flipped(f"{SCORES}/samples.npz"), f"{SCORES}/samples.npz: sha256 is"),
    "a flipped bit: the scores": (flipped(f"{SCORES}/scores.json"), f"{SCORES}/scores.json: "),
    "a flipped bit: a receipt": (flipped(f"{SCORES}/receipt.json"), f"{SCORES}/receipt.json: "),
    "a flipped bit: the report's receipt": (flipped(f"{REPORT}/receipt.json"), f"{REPORT}/receipt.json: "),
    "a flipped bit: a secret": (flipped(f"{MARKED}/secret.safetensors"), f"{MARKED}/secret.safetensors: sha256 is"),
    "a journal's seconds": (replaced(JOURNAL, '"seconds": ', '"seconds": 1'), f"{JOURNAL}: sha256 is"),
    "an extra file": (add_a_file, f"{SCORES}/notes.txt: unexplained"),
    "a missing rate": (remove_a_rate, f"{PRUNED}/receipt.json: missing"),
    "a link out of data/: a file": (link_elsewhere, f"{SCORES}/samples.npz: a link, to "),
    "a link out of data/: a folder": (link_a_folder, "data/raw/other: a link, to "),
    "a link out of data/: even into it": (link_into_data, "data/raw/tiny/again.json: a link, to dataset.json"),
    "a receipt that is none: without outputs": (
        replaced(f"{SCORES}/receipt.json", '"outputs": {', '"outputs": null, "was": {'),
        f"{SCORES}/receipt.json: not a receipt: unknown: was",
    ),
    "a receipt that is none: no hashes": (
        replaced(f"{SCORES}/receipt.json", '"inputs": {', '"inputs": {\n  "data": 1,'),
        f"{SCORES}/receipt.json: not a receipt: inputs.data: 1 is not allowed",
    ),
    "a receipt that is none: a directory": (a_directory_for_a_receipt, f"{SCORES}/receipt.json: not a regular file"),
    "other parameters: fewer epochs": (
        replaced("params.yaml", "epochs: 2", "epochs: 3"),
        "params.yaml: asks for epochs",
    ),
    "other parameters: a rate": (replaced("params.yaml", "0.5]", "0.5, 0.75]"), "params.yaml: asks for"),
    "swapped seeds: a receipt": (
        swap_seeds,
        "params.yaml: asks for seed = 0 where data/encoders/tiny/simclr/0/receipt.json",
    ),
    "swapped seeds: two folders": (
        exchange_seeds,
        "params.yaml: asks for out = data/encoders/tiny/simclr/0, seed = 0 where data/encoders/tiny/simclr/0/receipt.json",
    ),
    "a cell copied with its receipts": (copy_a_cell, f"params.yaml: asks for method = magnitude, out = {PRUNED}"),
    "edited code": (
        replaced("src/prunemark/pruning/mask.py", *EDIT),
        "src/prunemark/pruning/mask.py: changed its meaning since ",
    ),
    "a stale code hash": (
        stale_code,
        f"{PRUNED}/receipt.json: says that src/prunemark/pruning/mask.py has another meaning",
    ),
    "code that is not the commit's": (
        edit_code_and_receipts,
        f"{SCORES}/receipt.json: names code that is neither that of commit ",
    ),
    "code that is not the commit's: in its bytes alone": (
        bytes_that_did_not_run,
        f"{JOURNAL}: names code that is neither that of commit ",
    ),
    "code that is not the commit's: without a journal": (
        delete_journals,
        f"{JOURNAL}: no journal entry, and only it names",
    ),
    "code that is not the commit's: replaced in git": (
        replace_in_git,
        f"{SCORES}/receipt.json: names code that is neither that of commit ",
    ),
    "a commit that is none: a line too many": (names_commit(lambda commit: commit + "\n"), f"{JOURNAL}: names '"),
    "a commit that is none: a name": (names_commit(lambda commit: "HEAD"), f"{JOURNAL}: names 'HEAD' as the commit"),
    "a commit that is none: a part": (names_commit(lambda commit: commit[:12]), f"{JOURNAL}: names '"),
    "a commit that is none: nothing": (names_commit(lambda commit: None), f"{JOURNAL}: names no commit, "),
    "a commit that is not there": (
        names_commit(lambda commit: commit[::-1]),
        f"{JOURNAL}: names commit ",
    ),
    "another key's file: its hashes left": (another_key, f"{MARKED}/secret.safetensors: sha256 is"),
    "another key's file: hashed anew": (
        another_key_hashed_anew,
        f"{SCORES}/receipt.json: says that {MARKED}/secret.safetensors has another sha256",
    ),
}
