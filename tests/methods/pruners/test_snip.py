"""SNIP against Lee et al. 2019, equations 4 and 5: the derivative by explicit multipliers of the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches

Terms = Callable[[nn.Sequential, Tensor], Tensor]


def connection_sensitivity(
    encoder: nn.Module, projector: nn.Sequential, batches: list[Tensor], terms: Terms
) -> dict[str, Tensor]:
    """|dL(c * w; D) / dc_j| at c = 1 (equation 4) over its sum (equation 5); L the mean loss of all views."""
    model = copy.deepcopy(encoder).double()
    w = {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.dim() > 1}
    c = {name: torch.ones_like(part, requires_grad=True) for name, part in w.items()}
    loss = sum(
        terms(projector, functional_call(model, {name: c[name] * w[name] for name in w}, (views.double(),))).mean()
        for views in batches
    ) / len(batches)
    g = dict(zip(c, torch.autograd.grad(loss, list(c.values())), strict=True))
    total = sum(part.abs().sum() for part in g.values())
    return {name: part.abs() / total for name, part in g.items()}


def test_equals_the_paper(
    new_encoder: Callable[..., Encoder],
    new_batches: Callable[..., Batches],
    score: Callable[..., dict[str, Tensor]],
    terms: Terms,
    near: Callable[..., None],
) -> None:
    encoder = new_encoder(2, 8)
    batches = new_batches(encoder, count=6, size=4)
    found = score("snip", encoder, batches, batch_count=3)
    views = batches.two_views.seen
    assert len(views) == 3
    near(found, connection_sensitivity(encoder, batches.objective.projector, views, terms))


def test_equals_differences_of_the_loss(
    stack: Encoder,
    new_batches: Callable[..., Batches],
    score: Callable[..., dict[str, Tensor]],
    terms: Terms,
    near: Callable[..., None],
) -> None:
    """No derivative at all: (L(c + h) - L(c - h)) / 2h for one multiplier after the other."""
    batches = new_batches(stack, count=3, size=3)
    found = score("snip", stack, batches, batch_count=1)
    model, (views,), h = copy.deepcopy(stack).double().requires_grad_(False), batches.two_views.seen, 1e-5
    expected = {}
    for name in found:
        weight = model.get_parameter(name)
        expected[name] = torch.zeros_like(weight)
        for place in range(weight.numel()):
            value = weight.view(-1)[place].item()
            losses = []
            for c in (1 + h, 1 - h):
                weight.view(-1)[place] = c * value
                losses.append(terms(batches.objective.projector, model(views.double())).mean())
            weight.view(-1)[place] = value
            expected[name].view(-1)[place] = abs(losses[0] - losses[1]) / (2 * h)
    total = sum(part.sum() for part in expected.values())
    near(found, {name: part / total for name, part in expected.items()})
