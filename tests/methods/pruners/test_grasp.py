"""GraSP against Wang et al. 2020, equation 8: H g by differences of gradients, and S by what it stands for."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.mask import masks_from_scores

Terms = Callable[[nn.Sequential, Tensor], Tensor]


class Loss:
    """The loss of one batch as a function of the weights, in double precision, and its gradient."""

    def __init__(self, encoder: nn.Module, projector: nn.Sequential, views: Tensor, terms: Terms) -> None:
        self.model = copy.deepcopy(encoder).double()
        self.names = [name for name, parameter in self.model.named_parameters() if parameter.dim() > 1]
        self.loss = lambda: terms(projector, self.model(views.double())).mean()

    def weights(self) -> list[Tensor]:
        return [self.model.get_parameter(name).detach().clone() for name in self.names]

    def gradient(self, at: list[Tensor]) -> list[Tensor]:
        held = self.weights()
        parameters = [self.model.get_parameter(name) for name in self.names]
        with torch.no_grad():
            for parameter, value in zip(parameters, at, strict=True):
                parameter.copy_(value)
        found = list(torch.autograd.grad(self.loss(), parameters))
        with torch.no_grad():
            for parameter, value in zip(parameters, held, strict=True):
                parameter.copy_(value)
        return found


def test_the_score_is_w_times_hessian_times_gradient(
    new_encoder: Callable[..., Encoder],
    new_batches: Callable[..., Batches],
    score: Callable[..., dict[str, Tensor]],
    terms: Terms,
    near: Callable[..., None],
) -> None:
    """H g = (g(w + h g) - g(w - h g)) / 2h for every batch, with the paper's S(-w) = -w H g, averaged."""
    encoder = new_encoder(2, 8)
    batches = new_batches(encoder, count=6, size=3)
    found = score("grasp", encoder, batches, batch_count=2)
    assert len(batches.two_views.seen) == 2
    total: dict[str, Tensor] = {}
    for views in batches.two_views.seen:
        loss, h = Loss(encoder, batches.objective.projector, views, terms), 1e-6
        w = loss.weights()
        g = loss.gradient(w)
        ahead, behind = (loss.gradient([a + s * h * b for a, b in zip(w, g, strict=True)]) for s in (1, -1))
        for name, a, b, value in zip(loss.names, ahead, behind, w, strict=True):
            minus_s = value * (a - b) / (2 * h)
            total[name] = total.get(name, 0) + minus_s / 2
    near(found, total)


def test_the_weights_that_go_raise_the_gradient_flow_most(
    stack: Encoder,
    new_batches: Callable[..., Batches],
    score: Callable[..., dict[str, Tensor]],
    terms: Terms,
    near: Callable[..., None],
) -> None:
    """S(-w), from its definition: the slope of ||g||^2 / 2 as one weight shrinks to nothing; largest S goes first."""
    batches = new_batches(stack, count=3, size=3)
    found = score("grasp", stack, batches, batch_count=1)
    loss, h = Loss(stack, batches.objective.projector, batches.two_views.seen[0], terms), 1e-5
    w = loss.weights()
    s = {name: torch.zeros_like(value) for name, value in zip(loss.names, w, strict=True)}
    for name, value in zip(loss.names, w, strict=True):
        for place in range(value.numel()):
            kept, flows = value.view(-1)[place].item(), []
            for share in (h, -h):
                value.view(-1)[place] = kept * (1 - share)
                flows.append(sum(float((g**2).sum()) for g in loss.gradient(w)))
            value.view(-1)[place] = kept
            s[name].view(-1)[place] = (flows[0] - flows[1]) / (2 * h) / 2
    near(found, {name: -part for name, part in s.items()})
    mask = masks_from_scores(found, "0.5", "global")
    gone, stay = (torch.cat([s[name][mask[name] == kept] for name in s]) for kept in (False, True))
    assert gone.min() > stay.max()
    assert gone.max() > 0 > stay.min()
