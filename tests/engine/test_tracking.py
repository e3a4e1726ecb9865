"""MLflow's traps, against a real database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prunemark.engine import tracking
from prunemark.plan import grid
from prunemark.plan.folders import Folder, Step
from prunemark.plan.params import Params
from prunemark.plan.params_file import read_params


def test_processes_that_meet_a_cold_database_agree_on_one_experiment(tmp_path: Path) -> None:
    code = "from prunemark.engine.tracking import connect; print(connect()[1])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(4)
    ]
    printed = [process.communicate()[0].split()[-1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(printed)) == 1


def test_a_build_asks_mlflow_only_where_something_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Step("evaluate", Folder("scores", "data/scores/one"), dict, (), (), ())
    asked: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(grid, "all_steps", lambda _: [step])
    params = read_params(Path(__file__).parents[2] / "params.yaml")

    def publish(_: Params) -> int:
        asked.append("once more")
        Path("mlflow.db").touch()
        return 1

    def times() -> int:
        tracking.publish_or_warn(params)
        return len(asked)

    monkeypatch.setattr(tracking, "publish", publish)
    receipt = Path(step.folder) / "receipt.json"
    receipt.parent.mkdir(parents=True)
    receipt.write_text("a receipt")
    assert [times(), times()] == [1, 1]
    receipt.write_text("another one")
    assert [times(), times()] == [2, 2]
    Path("mlflow.db").unlink()
    assert [times(), times()] == [3, 3]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert [times(), times()] == [4, 4]
