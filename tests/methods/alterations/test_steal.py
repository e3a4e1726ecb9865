"""Encoder stealing: its loss written out, the views, and that a thief of random weights learns to answer alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunemark.marking.contract import Images
from prunemark.methods.alterations import steal
from prunemark.model.encoder import Encoder, features, state, to_float, weights
from prunemark.model.randomness import generator

Alter = Callable[..., Encoder]


def transcribed(plain: np.ndarray, viewed: np.ndarray, answers: np.ndarray, scale: float) -> float:
    """StolenEncoder's surrogate_model.py with one view and lambda 9, a mean for its sum, and lengths over a scale."""
    first = second = 0.0
    for i in range(len(plain)):
        first += np.sqrt(sum((plain[i, j] - answers[i, j]) ** 2 for j in range(plain.shape[1])))
        second += np.sqrt(sum((viewed[i, j] - answers[i, j]) ** 2 for j in range(plain.shape[1])))
    return float((first + 9.0 * second / 1) / len(plain) / scale)


def test_the_loss_is_that_of_the_code() -> None:
    plain, viewed, answers = torch.randn(3, 7, 5, generator=generator("test theft"))
    found = float(steal.theft_loss(plain, viewed, answers, 2.5))
    assert found == pytest.approx(transcribed(plain.numpy(), viewed.numpy(), answers.numpy(), 2.5), rel=1e-5)
    assert float(steal.theft_loss(answers, answers, answers, 1.0)) == 0


def test_views_mirror_half_and_turn_a_fifth_grey() -> None:
    images = torch.rand(4000, 3, 2, 2, generator=generator("test views"))
    seen = steal.views(images, generator("test draws"))
    grey = (seen == seen.mean(dim=1, keepdim=True)).all(dim=(1, 2, 3)) & (seen[:, 0] == seen[:, 1]).all(dim=(1, 2))
    assert float(grey.double().mean()) == pytest.approx(0.2, abs=0.03)
    as_they_are = (seen == images).all(dim=(1, 2, 3))
    mirrored = (seen == images.flip(3)).all(dim=(1, 2, 3))
    assert bool((grey | as_they_are | mirrored).all())
    assert float(mirrored[~grey].double().mean()) == pytest.approx(0.5, abs=0.04)
    turned = images[grey].mean(dim=1, keepdim=True).expand_as(seen[grey])
    assert bool(((seen[grey] == turned) | (seen[grey] == turned.flip(3))).all())


def test_the_thief_answers_more_alike_the_longer_it_learns(encoder: Encoder, images: Images, alter: Alter) -> None:
    """To images that it never asked for, by lengths over those of the answers."""
    answers = features(encoder, images.keypool).double()
    untaught, taught = (
        float((features(alter("steal", encoder, epochs, learning_rate=0.003), images.keypool) - answers).norm())
        / float(answers.norm())
        for epochs in (1, 10)
    )
    assert taught < 0.6 * untaught


def test_no_weight_is_read_and_the_normalisation_is_known(encoder: Encoder, alter: Alter) -> None:
    thief = alter("steal", encoder, 1, learning_rate=0.0)
    fresh = steal.untrained(encoder, generator("never the same"))
    for name, weight in weights(thief).items():
        own, theirs = weight.detach().flatten(), weights(encoder)[name].detach().flatten()
        assert abs(float(torch.corrcoef(torch.stack([own, theirs]))[0, 1])) < 5 / len(own) ** 0.5, name
        assert not torch.equal(weight, weights(fresh)[name])
    assert torch.equal(thief.mean, encoder.mean)
    assert torch.equal(thief.std, encoder.std)


def test_only_as_many_images_are_asked_for_as_are_allowed(
    encoder: Encoder, images: Images, alter: Alter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def count(victim: Encoder, shown: torch.Tensor, *more: int) -> torch.Tensor:
        asked.append(shown)
        return features(victim, shown, *more)

    monkeypatch.setattr(steal, "features", count)
    for queries, expected in ((20, 20), (10**6, len(images.train))):
        asked.clear()
        alter("steal", encoder, 1, queries=queries)
        assert [len(shown) for shown in asked] == [expected]
        rows = {bytes(row.numpy()) for row in images.train}
        assert all(bytes(row.numpy()) in rows for row in asked[0])


def test_the_victim_is_asked_and_not_trained(encoder: Encoder, images: Images, alter: Alter) -> None:
    before = {name: tensor.clone() for name, tensor in state(encoder).items()}
    thief = alter("steal", encoder, 2)
    assert all(torch.equal(state(encoder)[name], tensor) for name, tensor in before.items())
    assert not torch.equal(thief.backbone.bn1.running_mean, encoder.backbone.bn1.running_mean)
    with torch.no_grad():  # statistics that training left, so that it answers one image as it does many
        alone = torch.cat([thief(to_float(images.train[i : i + 1])) for i in range(4)])
    assert torch.allclose(alone, features(thief, images.train[:4]), atol=1e-5)
