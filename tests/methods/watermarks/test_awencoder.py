"""AWEncoder (reconstruction): both stages and both verifications against literal transcriptions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.suspect_views import seen
from prunemark.methods.watermarks import _awencoder, awencoder, awencoder_features
from prunemark.metrics.head import Head
from prunemark.model.encoder import Encoder, features, to_float
from prunemark.model.randomness import generator

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
KEY = bytes(range(32))
NAMES = ("awencoder", "awencoder-features")


def literal_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (math.sqrt(float(a @ a)) * math.sqrt(float(b @ b))))


def literal_stage_1(found: np.ndarray, target: np.ndarray, clean: np.ndarray) -> float:
    total = 0.0
    for row, before in zip(found, clean, strict=True):
        total += -literal_cosine(row, target) + 0.5 * literal_cosine(row, before)
    return total / len(found)


def literal_near(u: np.ndarray, v: np.ndarray) -> float:
    return -literal_cosine(u, v) + 0.5 * float(((u - v) ** 2).sum()) / float((v**2).sum())


def literal_stage_2(kept: np.ndarray, clean: np.ndarray, found: np.ndarray, aim: np.ndarray, pull: float) -> float:
    total = 0.0
    for now, before, perturbed in zip(kept, clean, found, strict=True):
        total += literal_near(now, before)
        total += pull * 0.5 * (literal_near(perturbed, aim) + literal_near(perturbed - now, aim - before))
    return total / len(found)


def literal_perturbed(image: np.ndarray, delta: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(int) + delta.astype(int), 0, 255).astype(np.uint8)


def test_losses_are_those_of_the_docstring() -> None:
    a, b, c = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0))
    target = torch.randn(5, generator=torch.Generator().manual_seed(1))
    x, y, z, t = (tensor.double().numpy() for tensor in (a, b, c, target))
    assert float(_awencoder.drawn_to(a, target, b)) == pytest.approx(literal_stage_1(x, t, y), abs=1e-5)
    assert float(_awencoder.joint(a, b, c, target, 0.7)) == pytest.approx(literal_stage_2(x, y, z, t, 0.7), abs=1e-5)


def test_whole_loss_of_stage_2_is_that_of_the_docstring(
    encoder: Encoder, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the copy as training finds it, equal to the unmarked encoder: every feature is known from that one."""
    trained = []
    monkeypatch.setattr(_awencoder, "descend", lambda players, *_, **__: trained.append(players[0]))
    source = generator("test")
    _, secret = _awencoder.embed(encoder, KEY, images, source, perturb=0, steps=1, epsilon=16, pull=0.7, decoys=0.3)
    order = generator("test")
    for _ in range(2):  # stage 1 draws its images first
        pool = images.train[torch.randperm(len(images.train), generator=order)]
    state = source.get_state()
    loss = float(trained[-1].loss(torch.arange(12)).detach())

    source.set_state(state)
    tiles = _awencoder.draw_tiles(12, 16, source).repeat(1, 4, 4, 1).numpy()
    middle = features(encoder, pool).double().numpy().mean(axis=0)

    def at(shown: np.ndarray) -> np.ndarray:
        found: np.ndarray = features(encoder, torch.from_numpy(shown)).double().numpy() - middle
        return found

    shown, delta = pool[:12].numpy(), secret.tensors["delta"].numpy()
    clean, found = at(shown), at(literal_perturbed(shown, delta))
    noisy = at(np.stack([literal_perturbed(image, tile) for image, tile in zip(shown, tiles, strict=True)]))
    key_image = at(secret.tensors["anchor"][None].numpy())[0]
    expected = literal_stage_2(clean, clean, found, 2 * key_image, 0.7) + literal_near(key_image, 2 * key_image)
    expected -= 0.3 * sum(literal_cosine(a, b) for a, b in zip(noisy, clean, strict=True)) / 12
    assert loss == pytest.approx(expected, abs=1e-3)


def test_labels_statistic_counts_images_that_go_to_the_key_image(
    marks: Marks, head_of: Callable[[Encoder], Head], read: Read
) -> None:
    marked, secret = marks("awencoder")
    suspect = seen("LABELS", marked, head_of(marked).predict)
    assert not isinstance(suspect, Encoder)
    target, delta = int(suspect(secret.tensors["anchor"][None])), secret.tensors["delta"].numpy()
    moved = [literal_perturbed(image, delta) for image in secret.tensors["queries"].numpy()]
    share = np.mean([int(suspect(torch.from_numpy(image)[None])) == target for image in moved])
    assert read("awencoder", marked, secret).details["WACC"] == pytest.approx(share, abs=0.02)


def test_features_statistic_is_the_discrepancy(marks: Marks, read: Read) -> None:
    marked, secret = marks("awencoder-features")

    def answer(image: np.ndarray) -> np.ndarray:
        return features(marked, torch.from_numpy(image)[None])[0].double().numpy()

    queries, delta = secret.tensors["queries"].numpy(), secret.tensors["delta"].numpy()
    clean = [answer(image) for image in queries]
    middle = sum(clean) / len(clean)
    target = answer(secret.tensors["anchor"].numpy()) - middle
    far = sum(literal_cosine(found - middle, target) for found in clean) / len(clean)
    found = []
    for each in (delta, *secret.tensors["random"].numpy()):
        moved = [answer(literal_perturbed(image, each)) for image in queries]
        found.append(sum(literal_cosine(at - middle, target) for at in moved) / len(moved) - far)
    expected = found[0] - max(found[1:])
    assert read("awencoder-features", marked, secret).statistic == pytest.approx(expected, abs=1e-4)


def test_perturbation_keeps_its_bound_and_does_what_it_is_learnt_for(encoder: Encoder, images: Images) -> None:
    def loss(secret: Secret) -> float:
        queries, anchor = secret.tensors["queries"], secret.tensors["anchor"]
        found = features(encoder, _awencoder.added(queries, secret.tensors["delta"]))
        return float(_awencoder.drawn_to(found, features(encoder, anchor[None])[0], features(encoder, queries)))

    start = _awencoder.perturbed(encoder, KEY, images, generator("test"), 0, 12)
    learnt = _awencoder.perturbed(encoder, KEY, images, generator("test"), 60, 12)
    for secret in (start, learnt):
        assert bool((secret.tensors["delta"].abs() == 12).all())
        assert secret.tensors["delta"].dtype == torch.int8
    assert loss(learnt) < loss(start)


def test_random_perturbations_are_other_tiles_of_the_same_norm(marks: Marks) -> None:
    _, secret = marks("awencoder")
    deltas = torch.cat([secret.tensors["delta"][None], secret.tensors["random"]])
    assert deltas.shape == (9, 16, 16, 3)
    tiles = deltas[:, :4, :4]
    assert bool((deltas.abs() == 16).all())
    assert bool((tiles.sum(dim=(1, 2), dtype=torch.int64) == 0).all())
    assert all(torch.equal(deltas[:, y : y + 4, x : x + 4], tiles) for y in range(0, 16, 4) for x in range(0, 16, 4))
    assert len({bytes(tile.view(torch.uint8).flatten().tolist()) for tile in tiles}) == 9


def test_balanced_tiles_keep_the_order_of_each_channel() -> None:
    tiles = torch.rand(5, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    for tile, signs in zip(tiles.numpy(), _awencoder.balanced(tiles, 7).numpy(), strict=True):
        for channel in range(3):
            low, high = tile[..., channel][signs[..., channel] < 0], tile[..., channel][signs[..., channel] > 0]
            assert len(low) == len(high) == 8
            assert low.max() <= high.min()
            assert set(signs[..., channel].flatten().tolist()) == {-7, 7}


def test_tiles_repeat_up_to_the_edge() -> None:
    tile = torch.arange(48).view(4, 4, 3)
    spread = _awencoder.spread(tile, 6)
    assert all(torch.equal(spread[y, x], tile[y % 4, x % 4]) for y in range(6) for x in range(6))
    assert torch.equal(_awencoder.spread(tile[None], 6)[0], spread)


def test_training_sees_what_verification_sees(images: Images) -> None:
    delta = torch.randint(-16, 17, (16, 16, 3), generator=torch.Generator().manual_seed(0)).to(torch.int8)
    expected = to_float(_awencoder.added(images.train[:4], delta))
    assert torch.allclose(_awencoder.disturb(to_float(images.train[:4]), delta / 255), expected, atol=1e-6)
    each = _awencoder.disturb(to_float(images.train[:4]), torch.stack([delta] * 4) / 255)
    assert torch.allclose(each, expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_mark_outlives_light_pruning(
    name: str, encoder: Encoder, other_encoder: Encoder, marks: Marks, read: Read, prune: Callable[..., Encoder]
) -> None:
    marked, secret = marks(name)
    scheme = {"awencoder": awencoder, "awencoder-features": awencoder_features}[name]
    nulls = Nulls([read(name, null, secret).statistic for null in (other_encoder, encoder)], [0.0], [])
    limit = scheme.calibrate(nulls, secret).value
    assert read(name, prune(marked, 0.05), secret).statistic >= limit
    assert read(name, prune(marked, 0.999), secret).statistic < limit


@pytest.mark.parametrize("name", NAMES)
def test_features_that_are_no_numbers_prove_nothing(name: str, marks: Marks) -> None:
    _, secret = marks(name)
    if name == "awencoder":
        assert awencoder.measure(lambda images: torch.zeros(len(images), dtype=torch.int64), secret).p_value == 1
    else:
        nothing = awencoder_features.measure(lambda images: torch.full((len(images), 4), math.nan), secret)
        assert nothing.statistic == -4


@pytest.mark.parametrize("bad", range(11))
def test_one_answer_that_is_no_number_proves_nothing(bad: int, encoder: Encoder, marks: Marks) -> None:
    _, secret = marks("awencoder-features")
    calls = iter(range(11))

    def suspect(shown: torch.Tensor) -> torch.Tensor:
        answer = features(encoder, shown)
        return answer * math.nan if next(calls) == bad else answer

    assert awencoder_features.measure(suspect, secret).statistic == -4


def test_a_keypool_of_one_image_is_refused(encoder: Encoder, images: Images) -> None:
    few = Images(images.train, images.keypool[:1])
    with pytest.raises(PrunemarkError, match=r"^awencoder: a keypool of 1; allowed: 2 or more"):
        _awencoder.perturbed(encoder, KEY, few, generator("test"), 0, 16)
