"""StegGuard's reconstruction: literal hiding, loss and reading; bits never learnt on are read, and outlive pruning."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.decoder import unpacked
from prunemark.methods.checks import stegguard
from prunemark.model.encoder import Encoder, features, to_bytes, to_float
from prunemark.model.randomness import experiment_key, generator

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
PLACE = 311  # of 512 bits, by Bin(512, 1/2) at 1e-6


def test_hiding_is_literal() -> None:
    source = torch.Generator().manual_seed(0)
    images, patterns = torch.rand(2, 3, 4, 4, generator=source), torch.randn(5, 3, 4, 4, generator=source)
    bits = stegguard.draw_bits((2, 5), source)
    found = stegguard.hide(images, patterns, bits)
    for n, c, y, x in np.ndindex(2, 3, 4, 4):
        total = sum((1 if bits[n, k] else -1) * float(patterns[k, c, y, x]) for k in range(5))
        moved, value = 16 / 255 * math.tanh(total / math.sqrt(5)), float(images[n, c, y, x])
        assert float(found[n, c, y, x]) == pytest.approx(min(max(value + moved, 0), 1), abs=1e-6)
        assert float(found[2 + n, c, y, x]) == pytest.approx(min(max(value - moved, 0), 1), abs=1e-6)


def test_loss_is_literal() -> None:
    source = torch.Generator().manual_seed(0)
    scores, bits = torch.randn(4, 3, generator=source), stegguard.draw_bits((4, 3), source)
    total = 0.0
    for n, k in np.ndindex(4, 3):
        share = 1 / (1 + math.exp(-float(scores[n, k])))
        total -= math.log(share if bits[n, k] else 1 - share)
    assert float(stegguard.cross_entropy(scores, bits)) == pytest.approx(total / 12, rel=1e-6)


def literal_matches(
    plus: np.ndarray, minus: np.ndarray, scale: float, layers: list[np.ndarray], bits: np.ndarray
) -> int:
    matches = 0
    for a, b, secret in zip(plus, minus, bits, strict=True):
        inputs = (a.astype(np.float64) - b.astype(np.float64)) / scale
        hidden = [max(0.0, float(w @ inputs + c)) for w, c in zip(layers[0], layers[1], strict=True)]
        for k, bit in enumerate(secret):
            matches += int(float(layers[2][k] @ np.array(hidden) + layers[3][k]) > 0) == int(bit)
    return matches


def test_reading_is_literal(marks: Marks, read: Read, prune: Callable[..., Encoder]) -> None:
    encoder, secret = marks("stegguard")
    layers, bits = [tensor.numpy() for tensor in unpacked(secret.tensors)], secret.tensors["bits"].numpy()
    for suspect in (encoder, prune(encoder, 0.5)):
        found = features(suspect, secret.tensors["images"]).numpy()
        literal = literal_matches(found[:64], found[64:], secret.facts["scale"], layers, bits)
        reading = read("stegguard", suspect, secret)
        assert (reading.statistic, reading.trials) == (literal, 512)


def test_query_images_differ_by_at_most_16_levels_from_pool_images(marks: Marks, images: Images) -> None:
    _, secret = marks("stegguard")
    pairs = secret.tensors["images"].int()
    nearest = (pairs[:, None] - images.keypool.int()[None]).abs().amax(dim=(2, 3, 4)).min(dim=1)
    assert int(nearest.values.max()) <= 16
    assert torch.equal(nearest.indices[:64], nearest.indices[64:])
    assert len(set(nearest.indices.tolist())) == 64


def test_bits_never_learnt_on_are_read_from_this_encoder_alone(
    encoder: Encoder, other_encoder: Encoder, images: Images
) -> None:
    """Fresh bits in fresh images by the patterns learnt, asked of this encoder and of an independent one."""
    source = generator("test steg")
    patterns, decoder, scale = stegguard.learn(encoder, images.train, source, 8, 120)
    bits = stegguard.draw_bits((128, 8), source)
    pairs = to_bytes(stegguard.hide(to_float(images.keypool), patterns.detach(), bits))
    secret = Secret({"images": pairs, "bits": bits, **stegguard.packed(decoder)}, {"scale": scale})
    mine = stegguard.measure(lambda shown: features(encoder, shown), secret)
    other = stegguard.measure(lambda shown: features(other_encoder, shown), secret)
    assert scipy.stats.binom.sf(mine.statistic - 1, 1024, 0.5) < 1e-20
    assert scipy.stats.binom.sf(other.statistic - 1, 1024, 0.5) > 1e-6


def test_bits_outlive_half_of_the_weights(marks: Marks, read: Read, prune: Callable[..., Encoder]) -> None:
    encoder, secret = marks("stegguard")
    assert read("stegguard", prune(encoder, 0.5), secret).statistic >= PLACE


def test_wrong_keys_read_half_of_the_bits(marks: Marks, read: Read) -> None:
    encoder, secret = marks("stegguard")
    answer = features(encoder, secret.tensors["images"])
    keys = (experiment_key(7, "stegguard", "law", i) for i in range(200))
    found = [stegguard.measure(lambda _: answer, stegguard.impostor(secret, key)).statistic for key in keys]
    assert np.mean(found) == pytest.approx(256, abs=4)
    assert np.std(found) == pytest.approx(math.sqrt(128), rel=0.2)


def test_threshold_is_the_larger_of_the_two(marks: Marks) -> None:
    _, secret = marks("stegguard")
    assert stegguard.calibrate(Nulls([260.0], [250.0], []), secret).value == PLACE
    assert stegguard.calibrate(Nulls([400.0], [250.0], []), secret).value > 400


def test_refusals(encoder: Encoder, embed: Embed, images: Images) -> None:
    with pytest.raises(PrunemarkError, match="5 images in the key pool; allowed: 64 or more"):
        embed("stegguard", encoder, pool=Images(images.train, images.keypool[:5]))
    with pytest.raises(PrunemarkError, match="16 bits cannot reach"):
        embed("stegguard", encoder, queries=2)
    broken = copy.deepcopy(encoder)
    for parameter in broken.parameters():
        parameter.detach().fill_(0)
    with pytest.raises(PrunemarkError, match="hidden bits move features by 0"):
        embed("stegguard", broken)
