"""The questions asked of a run that the engines made: its MLflow runs, the command that computes a number again, and
what moved between two commits whose data lie in DVC's cache."""

from __future__ import annotations

import json
import sqlite3

from audited import Audited

from repository import Repository

CELL = "data/scores/tiny/simclr/0/none/0/magnitude/0.5/tiny"


def test_why_recompute_and_diff(copy: Repository, audited: Audited) -> None:
    copy.commit()
    question = "accuracy[watermark=none pruner=magnitude head=refit]"
    facts = json.loads(copy.run("prunemark", "why", question, "--json"))
    steps = facts["steps"]
    assert [match["breaks"] for match in facts["matches"]] == [[]]
    with sqlite3.connect(copy.folder / "mlflow.db") as database:
        held = dict(database.execute("select run_uuid, value from tags where key = 'prunemark.cell'").fetchall())
    database.close()
    assert {name: held[step["mlflow_run"]] for name, step in steps.items()} == {name: name for name in steps}

    before = copy.hashes()
    copy.run(*steps[CELL]["recompute"].split())
    assert copy.hashes() == before
    assert audited(copy)[0] == 0

    copy.edit("params.yaml", "rested: {method: magnitude", "rested: {method: random")
    copy.run("prunemark", "build")
    copy.commit()
    done = copy.attempt("prunemark", "diff", "HEAD~1", "HEAD", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    moved = next(change for change in found["moved"] if change["causes"][0]["folder"].startswith("data/pruned/"))
    assert moved["causes"][0]["reason"] == "parameter method magnitude -> random"
    assert (found["appeared"], found["vanished"]) == ([], [])
    assert "invalidates 0 of" in copy.run("prunemark", "impact", "HEAD")
