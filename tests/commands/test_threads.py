"""Matrix products of NumPy and SciPy run on one thread in every command, however many cores there are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT = """
import prunemark.commands, numpy, scipy.linalg
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("Threads:")))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="threads are counted in /proc")
def test_a_command_has_one_thread_of_blas() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", COUNT], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
