"""Taylor pruning against Molchanov et al. 2019, equation 8: (g w)^2 per batch, then the mean over batches."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches

Terms = Callable[[nn.Sequential, Tensor], Tensor]


def importance(encoder: nn.Module, projector: nn.Sequential, batches: list[Tensor], terms: Terms) -> dict[str, Tensor]:
    """(g w)^2, g w the derivative of a batch's loss by a multiplier of w at 1, averaged over batches."""
    model = copy.deepcopy(encoder).double()
    w = {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.dim() > 1}
    total = {name: torch.zeros_like(part) for name, part in w.items()}
    for views in batches:
        c = {name: torch.ones_like(part, requires_grad=True) for name, part in w.items()}
        features = functional_call(model, {name: c[name] * w[name] for name in w}, (views.double(),))
        slopes = torch.autograd.grad(terms(projector, features).mean(), list(c.values()))
        for name, slope in zip(c, slopes, strict=True):
            total[name] += slope**2
    return {name: part / len(batches) for name, part in total.items()}


def test_equals_the_paper(
    new_encoder: Callable[..., Encoder],
    new_batches: Callable[..., Batches],
    score: Callable[..., dict[str, Tensor]],
    terms: Terms,
    near: Callable[..., None],
) -> None:
    encoder = new_encoder(2, 8)
    batches = new_batches(encoder, count=6, size=4)
    found = score("taylor", encoder, batches, batch_count=3)
    views = batches.two_views.seen
    assert len(views) == 3
    near(found, importance(encoder, batches.objective.projector, views, terms))


def test_it_is_the_square_of_what_removal_changes_to_first_order(
    stack: Encoder,
    new_batches: Callable[..., Batches],
    score: Callable[..., dict[str, Tensor]],
    terms: Terms,
    near: Callable[..., None],
) -> None:
    """Section 3, equations 4 to 7: the loss with w shrunk by the share h, to first order in h, by differences."""
    batches = new_batches(stack, count=3, size=3)
    found = score("taylor", stack, batches, batch_count=1)
    model, (views,), h = copy.deepcopy(stack).double().requires_grad_(False), batches.two_views.seen, 1e-5
    expected = {}
    for name in found:
        weight = model.get_parameter(name)
        expected[name] = torch.zeros_like(weight)
        for place in range(weight.numel()):
            value = weight.view(-1)[place].item()
            losses = []
            for share in (h, -h):
                weight.view(-1)[place] = value * (1 - share)
                losses.append(terms(batches.objective.projector, model(views.double())).mean())
            weight.view(-1)[place] = value
            expected[name].view(-1)[place] = ((losses[0] - losses[1]) / (2 * h)) ** 2
    near(found, expected)
