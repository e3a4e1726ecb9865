"""Criteria of batch normalisation and the control: Liu et al. 2017, Molchanov et al. 2019 with explicit gates, random."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.channels import Group

Score = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]
Writers = dict[str, tuple[str, ...]]


def norm_of(conv: str) -> str:
    """The batch normalisation behind a convolution of a ResNet, by name."""
    return f"{conv[:-1]}1" if conv.endswith("downsample.0") else conv.replace("conv", "bn")


def test_network_slimming_is_the_absolute_scale(score: Score, new: New, writers: Writers) -> None:
    """Liu et al. 2017, section 3: |gamma|; the mean of it where several write a channel."""
    encoder, found = new("resnet18", 4, 16)
    scores = score("bn-scale", encoder, found, None)
    assert scores.keys() == writers.keys()
    for first, names in writers.items():
        scales = [encoder.get_submodule(norm_of(name)).weight.tolist() for name in names]
        for channel, found_score in enumerate(scores[first].tolist()):
            expected = sum(abs(gammas[channel]) for gammas in scales) / len(scales)
            assert abs(found_score - expected) <= 1e-12 * expected, (first, channel)


def nt_xent(projector: nn.Sequential, features: Tensor, temperature: float = 0.5) -> Tensor:
    """Chen et al. 2020, equation 1, over both views of every image, in double precision."""
    z = functional.normalize(copy.deepcopy(projector).double().requires_grad_(False)(features))
    likeness = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    partners = torch.arange(len(z)).roll(len(z) // 2)
    return functional.cross_entropy(likeness, partners)


def gated(z: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    return lambda module, inputs, output: output * z[:, None, None]


def gate_importance(
    encoder: nn.Module, projector: nn.Sequential, batches: list[Tensor], writers: Writers
) -> dict[str, Tensor]:
    """Molchanov et al. 2019, equation 8 at gates z = 1 behind batch normalisations (section 3.2): (dL/dz (0 - z))^2,
    one z for all that close together, averaged over batches."""
    model = copy.deepcopy(encoder).double().requires_grad_(False)
    sizes = {first: model.get_submodule(first).weight.shape[0] for first in writers}
    total = {first: torch.zeros(size, dtype=torch.float64) for first, size in sizes.items()}
    for views in batches:
        z = {first: torch.ones(size, dtype=torch.float64, requires_grad=True) for first, size in sizes.items()}
        hooks = [
            model.get_submodule(norm_of(name)).register_forward_hook(gated(z[first]))
            for first, names in writers.items()
            for name in names
        ]
        slopes = torch.autograd.grad(nt_xent(projector, model(views.double())), list(z.values()))
        for first, slope in zip(z, slopes, strict=True):
            total[first] += (slope * (0 - z[first].detach())) ** 2
        for hook in hooks:
            hook.remove()
    return {first: part / len(batches) for first, part in total.items()}


def test_taylor_is_the_square_of_the_gradient_of_the_gates(
    score: Score, new: New, writers: Writers, new_batches: Callable[..., Batches]
) -> None:
    encoder, found = new("resnet18", 4, 16)
    batches = new_batches(encoder, count=6, size=4)
    scores = score("taylor", encoder, found, batches, batch_count=3)
    views = batches.two_views.seen
    assert len(views) == 3
    expected = gate_importance(encoder, batches.objective.projector, views, writers)
    assert scores.keys() == expected.keys()
    for first, part in expected.items():
        assert float(part.max()) > 0
        atol = 1e-4 * float(part.max())
        torch.testing.assert_close(scores[first], part, rtol=1e-3, atol=atol, msg=lambda text, n=first: n + text)


def test_random_is_a_uniform_draw_of_its_generator_alone(score: Score, new: New) -> None:
    encoder, found = new("resnet34", 8, 16)
    drawn = score("random", encoder, found, None)
    changed = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(3)
    torch.manual_seed(5)
    again, other = (score("random", changed, found, None, seed=seed) for seed in (0, 1))
    assert all(torch.equal(drawn[name], again[name]) for name in drawn)
    assert all(not torch.equal(drawn[name], other[name]) for name in drawn)
    flat = torch.cat(list(drawn.values())).sort().values
    assert float(flat[0]) >= 0
    assert float(flat[-1]) < 1
    # Kolmogorov's statistic of a uniform draw stays below 1.95 / sqrt(n) in 999 of 1000.
    steps = torch.arange(1, len(flat) + 1) / len(flat)
    assert float((flat - steps).abs().max()) < 1.95 / len(flat) ** 0.5
