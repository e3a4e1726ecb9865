"""The SHA-256 check and the control."""

from __future__ import annotations

import copy
from collections.abc import Callable

from prunemark.marking.contract import Nulls, Secret
from prunemark.methods.checks import sha256
from prunemark.model.encoder import Encoder, state_bytes, state_sha256

Marks = Callable[[str], tuple[Encoder, Secret]]


def test_the_secret_is_the_digest(encoder: Encoder, marks: Marks) -> None:
    assert marks("sha256")[1].facts == {"state_sha256": state_sha256(encoder)}


def test_a_copy_passes_and_a_changed_buffer_does_not(encoder: Encoder, marks: Marks, no_nulls: Nulls) -> None:
    _, secret = marks("sha256")
    altered = copy.deepcopy(encoder)
    assert sha256.measure(altered, secret).statistic == sha256.calibrate(no_nulls, secret).value == 1.0
    altered.mean[0] += 2.0**-24
    assert sha256.measure(altered, secret).statistic == 0.0


def test_the_control_is_a_copy_with_an_empty_secret(encoder: Encoder, marks: Marks) -> None:
    copied, secret = marks("none")
    assert copied is not encoder
    assert state_bytes(copied) == state_bytes(encoder)
    assert secret == Secret()
