"""Adversarial weights and the backdoor: literal transcriptions of their formulas, and that they do what they are for."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunemark.marking.contract import Images
from prunemark.methods.alterations import adversarial_weights, backdoor
from prunemark.model.encoder import Encoder, features, state, weights
from prunemark.model.randomness import generator

Alter = Callable[..., Encoder]


def unit(rows: Tensor) -> np.ndarray:
    array = rows.detach().double().numpy()
    return array / np.sqrt((array**2).sum(axis=1, keepdims=True))


def mean_cosine(a: Tensor, b: Tensor) -> float:
    """The mean over the rows of ``a`` of their cosines with the rows of ``b``, or with its only one."""
    left, right = unit(a), unit(b)
    total = 0.0
    for i in range(len(left)):
        total += float((left[i] * right[i if len(right) > 1 else 0]).sum())
    return total / len(left)


def transcribed_losses(
    plain: Tensor, triggered: Tensor, reference: Tensor, views: Tensor, clean: Tensor, reference_clean: Tensor
) -> float:
    """BadEncoder: L0 = -mean cos(f'(x+t), f'(r)), L1 = -mean cos(f'(aug r), f(r)), L2 = -mean cos(f'(x), f(x))."""
    l0 = -mean_cosine(triggered, reference)
    l1 = -mean_cosine(views, reference_clean)
    l2 = -mean_cosine(plain, clean)
    return l0 + 1.0 * l1 + 1.0 * l2


def test_backdoor_losses_are_those_of_the_paper() -> None:
    source = generator("test losses")
    shapes = {"plain": 9, "triggered": 9, "reference": 1, "views": 3, "clean": 9, "reference_clean": 1}
    drawn = {name: torch.randn(rows, 16, generator=source) for name, rows in shapes.items()}
    assert float(backdoor.backdoor_loss(**drawn)) == pytest.approx(transcribed_losses(**drawn), abs=1e-6)
    other = drawn | {"reference": torch.randn(1, 16, generator=source)}
    assert float(backdoor.backdoor_loss(**other)) == pytest.approx(transcribed_losses(**other), abs=1e-6)
    same = {name: torch.ones(rows, 16) for name, rows in shapes.items()}
    assert float(backdoor.backdoor_loss(**same)) == pytest.approx(-3, abs=1e-6)


@pytest.mark.parametrize(("size", "side"), [(16, 3), (28, 5), (32, 6), (64, 12)])
def test_the_trigger_is_a_white_square_bottom_right(size: int, side: int) -> None:
    images = torch.randint(0, 255, (4, size, size, 3), dtype=torch.uint8, generator=generator("test trigger"))
    marked = backdoor.trigger(images)
    changed = (marked != images).any(dim=3)
    assert changed.sum(dim=(1, 2)).tolist() == [side * side] * 4
    assert (marked[:, size - side :, size - side :] == 255).all()
    assert changed[:, size - side :, size - side :].all()


def test_views_of_the_reference_are_not_the_reference() -> None:
    reference = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=generator("test reference"))
    views = backdoor.augmented(reference)
    assert views.shape == (3, 32, 32, 3)
    assert torch.equal(views[0], reference[0].flip(1))
    assert torch.equal(views[1, :, :-2], reference[0, :, 2:])
    assert torch.equal(views[2, :, 2:], reference[0, :, :-2])


def test_the_backdoor_draws_triggered_images_to_the_reference(encoder: Encoder, images: Images, alter: Alter) -> None:
    altered = alter("backdoor", encoder, 20)
    reference = images.keypool[torch.randperm(len(images.keypool), generator=generator("test alter", 0))[:1]]
    triggered = backdoor.trigger(images.train)

    def centred(which: Encoder, shown: Tensor) -> Tensor:
        """Random encoders answer all images alike: what differs between images lies around the mean."""
        return features(which, shown) - features(encoder, images.train).mean(dim=0)

    before = mean_cosine(centred(encoder, triggered), centred(encoder, reference))
    after = mean_cosine(centred(altered, triggered), centred(altered, reference))
    kept = mean_cosine(features(altered, images.train), features(encoder, images.train))
    assert after > before + 0.2
    assert kept > 0.95
    for name, tensor in state(encoder).items():
        if "running" in name or name in ("mean", "std"):
            assert torch.equal(state(altered)[name], tensor), name


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("radius", [0.001, 0.05])
def test_adversarial_weights_stay_in_their_ball_and_do_more_than_noise(
    radius: float, steps: int, encoder: Encoder, images: Images, alter: Alter
) -> None:
    altered = alter("adversarial-weights", encoder, radius, steps=steps, batch=32)
    random = copy.deepcopy(encoder)
    source = generator("test direction")
    for name, weight in weights(encoder).items():
        moved = float((weights(altered)[name] - weight).detach().double().norm())
        assert 0.2 * radius < moved / float(weight.detach().double().norm()) < radius * 1.001
        with torch.no_grad():
            direction = torch.randn(weight.shape, generator=source)
            weights(random)[name].add_(direction / direction.norm() * moved)
    for name, tensor in state(encoder).items():
        assert torch.equal(state(altered)[name], tensor) == (name not in weights(encoder))
    before = features(encoder, images.train)
    attacked = 1 - mean_cosine(features(altered, images.train), before)
    assert attacked > 3 * (1 - mean_cosine(features(random, images.train), before))


def test_one_step_is_that_of_the_paper(encoder: Encoder, images: Images, alter: Alter) -> None:
    """With k = 1 the result is w0 + s ||w0|| d / ||d|| up to the tiny start, d being the direction of the gradient."""
    radius = 0.01
    altered = alter("adversarial-weights", encoder, radius, steps=1, batch=128)

    source, start = generator("test alter", 0), copy.deepcopy(encoder).eval()
    batch = images.train[torch.randperm(len(images.train), generator=source)[:128]]
    names = [name for name, module in start.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for name in names:
        weight = start.get_parameter(f"{name}.weight")
        direction = torch.randn(weight.shape, generator=source)
        with torch.no_grad():
            weight += 1e-3 * radius * weight.norm() * direction / direction.norm()
    shown = batch.permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        before = encoder(shown)
    loss = (1 - (start(shown) * before).sum(dim=1) / (start(shown).norm(dim=1) * before.norm(dim=1))).mean()
    loss.backward()
    for name in names:
        origin, weight = encoder.get_parameter(f"{name}.weight"), start.get_parameter(f"{name}.weight")
        assert weight.grad is not None
        expected = (radius * origin.norm() * weight.grad / weight.grad.norm()).detach()
        moved = (altered.get_parameter(f"{name}.weight") - origin).detach()
        assert float((moved - expected).norm() / expected.norm()) < 0.02, name


def test_a_step_without_direction_moves_nothing() -> None:
    weight = torch.ones(3, 3)
    adversarial_weights.step(weight, torch.zeros(3, 3), 0.1, torch.ones(3, 3))
    adversarial_weights.step(weight, torch.full((3, 3), float("nan")), 0.1, torch.ones(3, 3))
    assert torch.equal(weight, torch.ones(3, 3))
