"""One thread of PyTorch in every test, as in every stage run: results depend on it."""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in every command, and before NumPy is imported

import pytest
import torch
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine's load, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
