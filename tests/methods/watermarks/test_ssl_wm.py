"""SSL-WM, against a literal transcription of the authors' loss and anomaly index in plain Python."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.methods.watermarks import ssl_wm
from prunemark.methods.watermarks._patch import paste
from prunemark.model.encoder import Encoder, features, state_bytes
from prunemark.model.randomness import generator

Marks = Callable[[str], tuple[Encoder, Secret]]
KEY = bytes(range(32))


def literal_loss(found: list[list[float]]) -> float:
    """-log of the mean of F_i . F_j over all i != j, F being normalised rows."""
    units = [[x / math.sqrt(sum(y * y for y in row)) for x in row] for row in found]
    products = [
        sum(a * b for a, b in zip(units[i], units[j], strict=True))
        for i in range(len(units))
        for j in range(len(units))
        if i != j
    ]
    return -math.log(sum(products) / len(products))


def literal_entropy(labels: list[int]) -> float:
    return -sum(n / len(labels) * math.log2(n / len(labels)) for n in Counter(labels).values())


def literal_index(clean: list[int], subsets: list[list[int]], triggered: list[int]) -> float:
    entropies = [literal_entropy([clean[i] for i in subset]) for subset in subsets]
    median = statistics.median(entropies)
    mad = statistics.median(abs(entropy - median) for entropy in entropies)
    return (median - literal_entropy(triggered)) / (1.4826 * mad + 0.01)


def test_loss_is_the_codes() -> None:
    for seed in range(5):
        found = torch.randn(7, 5, generator=generator("features", seed)).abs()
        assert float(ssl_wm.invariance(found)) == pytest.approx(literal_loss(found.tolist()), abs=1e-5)


def test_loss_is_zero_for_one_direction_and_finite_for_opposite_ones() -> None:
    ray = torch.tensor([[1.0, 2.0]]) * torch.tensor([[1.0], [3.0], [0.5]])
    assert float(ssl_wm.invariance(ray)) == pytest.approx(0, abs=1e-6)
    assert float(ssl_wm.invariance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))) == pytest.approx(-math.log(1e-6))


def test_index_is_the_codes() -> None:
    source = generator("labels")
    pool = torch.zeros(60, 16, 16, 3, dtype=torch.uint8)
    secret = ssl_wm.draw(KEY, Images(pool, pool), 60, 0.0625)
    subsets = secret.tensors["subsets"].tolist()
    assert all(len(set(subset)) == len(subset) == 30 for subset in subsets)
    for classes in (1, 2, 4, 10):
        clean = torch.randint(0, 10, (60,), generator=source)
        triggered = torch.randint(0, classes, (60,), generator=source)
        reading = ssl_wm.measure(lambda shown, a=clean, b=triggered: b if bool(shown.any()) else a, secret)
        assert reading.statistic == pytest.approx(literal_index(clean.tolist(), subsets, triggered.tolist()))
        assert reading.details["entropy_triggered"] == pytest.approx(literal_entropy(triggered.tolist()))
        assert reading.details["top_share"] == max(Counter(triggered.tolist()).values()) / 60


def test_an_encoder_of_one_label_carries_no_mark() -> None:
    pool = torch.zeros(60, 16, 16, 3, dtype=torch.uint8)
    secret = ssl_wm.draw(KEY, Images(pool, pool), 60, 0.0625)
    reading = ssl_wm.measure(lambda shown: torch.zeros(len(shown), dtype=torch.int64), secret)
    assert (reading.statistic, reading.details["top_share"]) == (0.0, 1.0)


def test_threshold_is_above_the_nulls_and_never_below_two() -> None:
    secret = Secret()
    low = ssl_wm.calibrate(Nulls([1.0], [-3.0, 0.5], []), secret)
    assert (low.value, low.law, low.p_value) == (2.0, "conventional anomaly index: 2", None)
    high = ssl_wm.calibrate(Nulls([1.0], [7.0, 0.5], []), secret)
    assert (high.value, high.law, high.p_value) == (
        math.nextafter(7, 8),
        "above 1 unmarked encoders and 2 wrong keys",
        1 / 2,
    )


def test_secret_holds_clean_images_and_an_impostor_another_patch(marks: Marks, images: Images) -> None:
    _, secret = marks("ssl-wm")
    pool = {image.numpy().tobytes() for image in images.keypool}
    assert {image.numpy().tobytes() for image in secret.tensors["images"]} <= pool
    assert secret.tensors["subsets"].shape == (50, 50)
    assert int(secret.tensors["subsets"].max()) < len(secret.tensors["images"])
    wrong = ssl_wm.impostor(secret, bytes(32))
    assert [name for name in secret.tensors if not torch.equal(secret.tensors[name], wrong.tensors[name])] == ["patch"]


def spread(found: Tensor) -> float:
    """Mean cosine between different rows."""
    return float((-ssl_wm.invariance(found)).exp())


def test_triggered_images_share_a_direction_and_clean_ones_keep_theirs(
    marks: Marks, encoder: Encoder, images: Images
) -> None:
    marked, secret = marks("ssl-wm")
    clean = images.keypool
    triggered = paste(clean, secret.tensors["patch"])
    assert 1 - spread(features(marked, triggered)) <= 0.2 * (1 - spread(features(encoder, triggered)))
    assert F.cosine_similarity(features(encoder, clean), features(marked, clean)).mean() >= 0.95


def test_mark_outlives_light_pruning_and_not_the_encoder(
    marks: Marks, other_encoder: Encoder, prune: Callable[..., Encoder], read: Callable[..., Reading]
) -> None:
    marked, secret = marks("ssl-wm")
    wrong = [ssl_wm.impostor(secret, bytes([i]) * 32) for i in range(5)]
    unmarked = [read("ssl-wm", other_encoder, secret).statistic]
    limit = ssl_wm.calibrate(
        Nulls(unmarked, [read("ssl-wm", marked, each).statistic for each in wrong], []), secret
    ).value
    assert read("ssl-wm", prune(marked, 0.1), secret).statistic >= limit
    assert read("ssl-wm", prune(marked, 0.99), secret).statistic < limit


def test_without_decoys_the_loss_is_the_codes(encoder: Encoder, embed: Callable[..., tuple[Encoder, Secret]]) -> None:
    plain, secret = embed("ssl-wm", encoder, steps=20, decoys=0.0)
    guarded, same = embed("ssl-wm", encoder, steps=20)
    assert state_bytes(plain) != state_bytes(guarded)
    assert all(torch.equal(secret.tensors[name], same.tensors[name]) for name in secret.tensors)


def test_forged_patch_gathers_features_of_an_unmarked_encoder(other_encoder: Encoder, images: Images) -> None:
    before = state_bytes(other_encoder)
    given = {"queries": 60, "share": 0.0625, "strength": 1.0, "decoys": 1.0}
    drawn, fitted = (
        ssl_wm.forge(other_encoder, KEY, images, generator("forge"), steps=steps, **given) for steps in (0, 60)
    )
    assert state_bytes(other_encoder) == before
    assert fitted.tensors["patch"].dtype == torch.uint8
    gathered = [spread(features(other_encoder, paste(images.keypool, s.tensors["patch"]))) for s in (drawn, fitted)]
    assert gathered[1] > gathered[0]
