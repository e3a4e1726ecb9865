"""NeuralMark against a literal transcription of the authors' code: hash, filter, average, loss, extraction."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Secret
from prunemark.methods.watermarks import neuralmark
from prunemark.model.encoder import Encoder, features, state
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]


def literal_bits(matrix: np.ndarray) -> list[int]:
    """``sign_generator``: SHAKE-256 of the matrix's bytes, each byte written with eight digits."""
    content = b"".join(struct.pack("<f", value) for row in matrix.tolist() for value in row)
    digits = "".join(format(byte, "08b") for byte in hashlib.shake_256(content).digest(matrix.shape[1] // 8))
    return [int(digit) for digit in digits]


def literal_logits(weight: np.ndarray, matrix: np.ndarray, bits: list[int], rounds: int) -> list[float]:
    """``extract_param``, element by element: filter by the repeated bits, average to the matrix's length, multiply."""
    values = weight.ravel().tolist()
    for _ in range(rounds):
        usable = len(values) // len(bits) * len(bits)
        values = [values[i] for i in range(usable) if bits[i % len(bits)] == 1]
    length = len(matrix)
    rows = len(values) // length
    average = [sum(values[row * length + i] for row in range(rows)) / rows for i in range(length)]
    return [sum(average[i] * float(matrix[i, t]) for i in range(length)) for t in range(len(bits))]


def literal(suspect: Encoder, secret: Secret) -> tuple[list[float], list[int]]:
    weight, matrix = state(suspect)[f"{secret.facts['layer']}.weight"].numpy(), secret.tensors["matrix"].numpy()
    bits = literal_bits(matrix)
    return literal_logits(weight, matrix, bits, 4), bits


def test_extraction_is_the_authors(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("neuralmark")
    for suspect in (marked, prune(marked, 0.9), prune(marked, 0.99, "random")):
        logits, bits = literal(suspect, secret)
        expected = sum(int(1 / (1 + math.exp(-logit)) > 0.5) == bit for logit, bit in zip(logits, bits, strict=True))
        assert neuralmark.measure(suspect, secret).statistic == expected


@pytest.mark.parametrize("unit", [1.0, 0.25])
def test_loss_is_the_authors(unit: float, encoder: Encoder, marks: Marks) -> None:
    _, secret = marks("neuralmark")
    logits, bits = literal(encoder, secret)
    chances = [1 / (1 + math.exp(-logit / unit)) for logit in logits]
    expected = -sum(math.log(p if bit else 1 - p) for p, bit in zip(chances, bits, strict=True)) / len(bits)
    weight = state(encoder)[f"{secret.facts['layer']}.weight"].double()
    kept = neuralmark.survivors(weight.flatten(), torch.tensor(bits), 4)
    found = neuralmark.entropy(kept, secret.tensors["matrix"].double(), torch.tensor(bits), unit)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_bits_hash_the_matrix_that_is_held(marks: Marks) -> None:
    """A forger who changes one entry of the matrix gets other bits."""
    marked, secret = marks("neuralmark")
    altered = secret.tensors["matrix"].clone()
    altered[0, 0] += 2.0**-20
    other = neuralmark.measure(marked, Secret({"matrix": altered}, secret.facts))
    assert other.statistic < neuralmark.calibrate(Nulls([], [], []), secret).value


def test_wrong_key_has_other_bits_and_another_matrix(marks: Marks) -> None:
    _, secret = marks("neuralmark")
    other = neuralmark.impostor(secret, b"w" * 32)
    assert other.facts["layer"] == secret.facts["layer"]
    assert other.tensors["matrix"].shape == secret.tensors["matrix"].shape
    assert not torch.equal(other.tensors["matrix"], secret.tensors["matrix"])
    assert not torch.equal(neuralmark.bits_of(other), neuralmark.bits_of(secret))


def test_bits_need_not_fill_bytes() -> None:
    secret = neuralmark.secret_of(b"k" * 32, "host", 21, 32, 4)
    whole = hashlib.shake_256(secret.tensors["matrix"].numpy().tobytes()).digest(3)
    assert "".join(map(str, neuralmark.bits_of(secret).tolist())) == "".join(f"{b:08b}" for b in whole)[:21]


def test_only_the_host_changes_and_the_features_hardly(encoder: Encoder, marks: Marks, images: Images) -> None:
    marked, secret = marks("neuralmark")
    before, after = state(encoder), state(marked)
    assert [n for n in before if not torch.equal(before[n], after[n])] == [f"{secret.facts['layer']}.weight"]
    assert F.cosine_similarity(features(encoder, images.train), features(marked, images.train)).mean() >= 0.99


def test_mark_outlives_pruning_until_the_host_is_gone(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("neuralmark")
    limit = neuralmark.calibrate(Nulls([], [], []), secret).value
    assert limit == 92
    assert neuralmark.measure(marked, secret).statistic == 128
    halved = neuralmark.measure(prune(marked, 0.5), secret)
    assert halved.statistic == 128
    assert halved.details["host_sparsity"] > 0.5
    assert neuralmark.measure(prune(marked, 0.5, "random"), secret).statistic >= limit
    assert neuralmark.measure(prune(marked, 0.999, "random"), secret).statistic < limit


def test_wrong_keys_follow_the_law(marks: Marks) -> None:
    marked, secret = marks("neuralmark")
    keys = (experiment_key(7, "neuralmark", "law", i) for i in range(500))
    found = np.array([neuralmark.measure(marked, neuralmark.impostor(secret, key)).statistic for key in keys])
    assert abs(found.mean() - 64) < 4 * math.sqrt(32 / 500)
    assert found.var() == pytest.approx(32, rel=0.3)


def test_forger_stays_below_the_threshold(encoder: Encoder, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunemark.methods.watermarks._search.TRIES", 100)
    source = torch.Generator().manual_seed(0)
    secret = neuralmark.forge(encoder, b"f" * 32, images, source, bits=128, length=256, rounds=4)
    reached = neuralmark.measure(encoder, secret).statistic
    assert 64 + 5 < reached < neuralmark.calibrate(Nulls([], [], []), secret).value


def test_what_does_not_fit_is_refused(
    encoder: Encoder, new_encoder: Callable[..., Encoder], embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PrunemarkError, match=r"of 2304 weights of .* outlast 4 rounds"):
        embed("neuralmark", new_encoder("small", width=2))
    with pytest.raises(PrunemarkError, match="allowed: 20 or more"):
        embed("neuralmark", encoder, bits=16)
    with pytest.raises(PrunemarkError, match=r"\d+ of 128 bits hold in .* after 1 steps"):
        embed("neuralmark", encoder, steps=1, strength=0.0)
