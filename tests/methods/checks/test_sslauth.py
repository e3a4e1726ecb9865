"""SSL-Auth's reconstruction: literal losses, no false alarms, and altered copies of families it never trained on."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.decoder import draw_decoder, unpacked
from prunemark.marking.mark_trainer import Copy, Player, descend
from prunemark.methods.checks import sslauth
from prunemark.model.encoder import Encoder, features, weights
from prunemark.model.randomness import experiment_key, generator

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
Prune = Callable[..., Encoder]
KEYS = [experiment_key(3, "sslauth", "test", i) for i in range(3)]


def literal_output(layers: list[np.ndarray], row: np.ndarray, centre: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """G(z) of one image's features, value by value."""
    phases = [float(waves[j, k]) * (float(row[j]) - float(centre[j])) for j in range(len(row)) for k in range(2)]
    values = np.array([math.sin(p) for p in phases] + [math.cos(p) for p in phases])
    for i in range(0, len(layers), 2):
        values = layers[i].astype(np.float64) @ (np.maximum(values, 0) if i else values) + layers[i + 1]
    return np.array([1 / (1 + math.exp(-v)) for v in values])


def test_statistic_is_literal(encoder: Encoder, marks: Marks, read: Read, prune: Prune) -> None:
    _, secret = marks("sslauth")
    layers = [tensor.numpy() for tensor in unpacked(secret.tensors)]
    centre, waves = secret.tensors["centre"].numpy(), secret.tensors["waves"].numpy()
    for suspect in (encoder, prune(encoder, 0.3)):
        total = 0.0
        rows = features(suspect, secret.tensors["images"]).numpy()
        for row, target in zip(rows, secret.tensors["target"].numpy(), strict=True):
            output = literal_output(layers, row, centre, waves)
            total += sum((float(o) - float(t)) ** 2 for o, t in zip(output, target, strict=True)) / len(target)
        assert read("sslauth", suspect, secret).statistic == pytest.approx(-total / len(rows), rel=1e-9)


def test_targets_are_means_over_cells(marks: Marks) -> None:
    images = torch.arange(2 * 28 * 28 * 3).remainder(256).to(torch.uint8).view(2, 28, 28, 3)
    found = sslauth.reduced(images).view(2, 3, 14, 14)
    for n, c, y, x in ((0, 0, 0, 0), (1, 2, 13, 5), (0, 1, 7, 12)):
        cell = images[n, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2, c].double().mean() / 255
        assert float(found[n, c, y, x]) == pytest.approx(float(cell), rel=1e-6)


def test_fragile_term_is_literal() -> None:
    source = torch.Generator().manual_seed(1)
    decoder = [tensor.detach() for tensor in draw_decoder((6, 5, 4), source)]
    altered, target = torch.randn(3, 2, 6, generator=source), torch.rand(2, 4, generator=source)
    margin, total = 0.15, 0.0
    w1, b1, w2, b2 = (tensor.numpy().astype(np.float64) for tensor in decoder)
    for t in range(3):
        for i in range(2):
            output = 1 / (1 + np.exp(-(w2 @ np.maximum(w1 @ altered[t, i].numpy() + b1, 0) + b2)))
            total += max(0.0, margin - sum((output - target[i].numpy()) ** 2) / 4)
    assert 0 < total / 6 < margin
    assert float(sslauth.fragile(decoder, altered, target, margin)) == pytest.approx(total / 6, rel=1e-5)


def limit(read: Read, intact: Encoder, secret: Secret) -> float:
    return sslauth.calibrate(Nulls([], [], [read("sslauth", intact, secret).statistic]), secret).value


def test_threshold_is_one_and_a_half_of_the_largest_error(marks: Marks, no_nulls: Nulls) -> None:
    _, secret = marks("sslauth")
    error = secret.facts["error"]
    assert sslauth.calibrate(no_nulls, secret).value == -1.5 * error
    assert sslauth.calibrate(Nulls([], [], [-error, -2 * error]), secret).value == -3 * error


def test_no_false_alarm_in_any_batch_size_or_thread_count(
    new_encoder: Callable[..., Encoder], new_images: Callable[..., torch.Tensor], embed: Embed, read: Read
) -> None:
    pool = new_images(100, 28)
    intact = new_encoder("benign", width=16, image_size=28)
    _, secret = embed("sslauth", intact, pool=Images(pool, pool))
    found = []
    try:
        for batch, threads in itertools.product((1, 7, 50, 64, 250), (1, 2, 3)):
            torch.set_num_threads(threads)
            found.append(-read("sslauth", intact, secret, batch).statistic)
    finally:
        torch.set_num_threads(1)
    assert max(found) < 1.1 * secret.facts["error"]  # the threshold, frozen before anything else is seen, is at 1.5


def quantised(encoder: Encoder) -> Encoder:
    """An int8 round trip of every weight tensor."""
    altered = copy.deepcopy(encoder)
    for weight in weights(altered).values():
        unit = weight.detach().abs().max() / 127
        weight.detach().copy_((weight.detach() / unit).round() * unit)
    return altered


def tuned(encoder: Encoder, images: Images) -> Encoder:
    """One step of Adam at 1e-5 on a few images."""
    altered = Copy(encoder, images.train[:32])
    player = Player(altered.parameters, lambda rows: altered.encoder(altered.batch(rows)).square().mean(), 1e-5)
    descend([player], 32, steps=1, batch=32, generator=generator("test tuning"), title="tuning")
    return altered.finished()


def flipped(encoder: Encoder) -> Encoder:
    """The sign of the stem's largest weight."""
    altered = copy.deepcopy(encoder)
    weight = weights(altered)["backbone.conv1.weight"].detach()
    place = np.unravel_index(int(weight.abs().reshape(-1).argmax()), tuple(weight.shape))
    weight[place] *= -1
    return altered


def test_families_never_trained_on_are_noticed(
    encoder: Encoder, images: Images, embed: Embed, read: Read, prune: Prune
) -> None:
    families = {
        "int8": quantised(encoder),
        "random": prune(encoder, 0.001, "random"),
        "tuning": tuned(encoder, images),
        "flip": flipped(encoder),
        "magnitude": prune(encoder, 0.03),
    }
    for key in KEYS:
        _, secret = embed("sslauth", encoder, key=key)
        for name, altered in families.items():
            assert read("sslauth", altered, secret).statistic < limit(read, encoder, secret), name


def test_the_fragile_term_makes_one_percent_visible(encoder: Encoder, embed: Embed, read: Read, prune: Prune) -> None:
    """By how much the error grows at 1 % magnitude pruning, in units of the intact error: with the term and without."""
    grown: dict[float, list[float]] = {1.0: [], 0.0: []}
    for key, strength in itertools.product(KEYS[:2], grown):
        _, secret = embed("sslauth", encoder, key=key, strength=strength)
        error = -read("sslauth", prune(encoder, 0.01), secret).statistic
        grown[strength].append(error / secret.facts["error"])
    assert min(grown[1.0]) > 1.5
    assert min(grown[1.0]) > 5 * max(grown[0.0])


def test_a_higher_frequency_sees_more(encoder: Encoder, embed: Embed, read: Read, prune: Prune) -> None:
    pruned = prune(encoder, 0.01)
    found = {}
    for frequency in (1.0, 2000.0):
        _, secret = embed("sslauth", encoder, frequency=frequency, strength=0.0)
        found[frequency] = -read("sslauth", pruned, secret).statistic / secret.facts["error"]
    assert found[1.0] < 1.1 < found[2000.0]


def test_who_lacks_the_images_fails(encoder: Encoder, marks: Marks, read: Read) -> None:
    _, secret = marks("sslauth")
    for key in KEYS:
        assert read("sslauth", encoder, sslauth.impostor(secret, key)).statistic < 10 * limit(read, encoder, secret)


def test_refusals(encoder: Encoder, embed: Embed, images: Images) -> None:
    with pytest.raises(PrunemarkError, match="5 images in the key pool; allowed: 16 or more"):
        embed("sslauth", encoder, pool=Images(images.train, images.keypool[:5]))
    broken = copy.deepcopy(encoder)
    for parameter in broken.parameters():
        parameter.detach().fill_(0)
    with pytest.raises(PrunemarkError, match="root mean square"):
        embed("sslauth", broken)
