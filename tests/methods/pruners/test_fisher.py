"""Fisher pruning against Theis et al. 2018, equation 7: the gradient of every view by itself, and all random signs."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches

Terms = Callable[[nn.Sequential, Tensor], Tensor]
Score = Callable[..., dict[str, Tensor]]
DRAWS = 200


def view_gradients(encoder: nn.Module, projector: nn.Sequential, views: Tensor, terms: Terms) -> dict[str, Tensor]:
    """g_n, the gradient of the loss of view n, for one view after the other: (2N, *shape) by weight."""
    model = copy.deepcopy(encoder).double()
    w = {name: parameter for name, parameter in model.named_parameters() if parameter.dim() > 1}
    losses = terms(projector, model(views.double()))
    each = [torch.autograd.grad(loss, list(w.values()), retain_graph=True) for loss in losses]
    return {name: torch.stack([g[i] for g in each]) for i, name in enumerate(w)}


def equation_7(w: Tensor, g: Tensor) -> Tensor:
    """1 / (2 N) * w^2 * sum over n of g_n^2."""
    total = torch.zeros_like(w)
    for g_n in g:
        total += g_n**2
    return w**2 * total / (2 * len(g))


def signed(w: Tensor, g: Tensor, signs: tuple[int, ...]) -> Tensor:
    """The estimate for one draw of signs: w^2 / (2 N) * (sum over n of s_n g_n)^2."""
    return w**2 * sum(s * g_n for s, g_n in zip(signs, g, strict=True)) ** 2 / (2 * len(g))


@pytest.fixture(scope="module")
def case(
    new_encoder: Callable[..., Encoder], new_batches: Callable[..., Batches], terms: Terms
) -> tuple[Encoder, Batches, dict[str, Tensor], dict[str, Tensor]]:
    """An encoder, batches that always hold the same 2 views of 2 images, its weights and the views' gradients."""
    encoder = new_encoder(2, 8)
    drawn = new_batches(encoder, count=2, size=2)
    (views,) = drawn.views(1, torch.Generator().manual_seed(0))
    batches = dataclasses.replace(drawn, two_views=lambda images, source: views)
    g = view_gradients(encoder, batches.objective.projector, views, terms)
    return encoder, batches, {name: encoder.get_parameter(name).detach().double() for name in g}, g


@pytest.fixture(scope="module")
def drawn(case: tuple, score: Score) -> dict[int, tuple[int, dict[str, Tensor]]]:
    """The estimates of many seeds: how often each was found, and its scores, by the number of its signs."""
    encoder, batches, w, g = case
    patterns = [(1, *rest) for rest in itertools.product((1, -1), repeat=3)]  # all signs flipped: the same square
    key = max(g, key=lambda name: g[name].numel())
    expected = [signed(w[key], g[key], signs) for signs in patterns]
    found: dict[int, tuple[int, dict[str, Tensor]]] = {}
    for seed in range(DRAWS):
        scores = score("fisher", encoder, batches, seed, batch_count=1)
        which = min(range(len(patterns)), key=lambda i: float((scores[key] - expected[i]).abs().max()))
        found[which] = (found.get(which, (0,))[0] + 1, scores)
    return found


def test_every_draw_is_that_of_its_signs(case: tuple, drawn: dict, near: Callable[..., None]) -> None:
    _, _, w, g = case
    assert sorted(drawn) == list(range(8))
    for which, (_, scores) in drawn.items():
        signs = (1, *list(itertools.product((1, -1), repeat=3))[which])
        near(scores, {name: signed(w[name], g[name], signs) for name in g})


def test_all_signs_are_equally_likely(drawn: dict) -> None:
    """Of n draws, n / 8 a pattern, within 4 standard deviations of the binomial distribution."""
    allowed = 4 * (DRAWS / 8 * 7 / 8) ** 0.5
    assert all(abs(times - DRAWS / 8) < allowed for times, _ in drawn.values())


def test_the_mean_over_all_signs_is_the_paper(case: tuple, drawn: dict, near: Callable[..., None]) -> None:
    _, _, w, g = case
    means = {name: sum(scores[name] for _, scores in drawn.values()) / 8 for name in g}
    near(means, {name: equation_7(w[name], g[name]) for name in g})


def test_batches_are_averaged(case: tuple, drawn: dict, score: Score) -> None:
    encoder, batches, _, g = case
    name = max(g, key=lambda key: g[key].numel())
    pairs = [(a[name] + b[name]) / 2 for (_, a), (_, b) in itertools.product(drawn.values(), repeat=2)]
    for seed in range(5):
        found = score("fisher", encoder, batches, seed, batch_count=2)[name]
        assert min(float((found - pair).abs().max()) for pair in pairs) <= 1e-12 * float(found.max())
