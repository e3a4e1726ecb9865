"""MLflow's traps, against a real database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


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
