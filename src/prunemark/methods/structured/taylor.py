"""First-order Taylor expansion at the gates (Molchanov et al. 2019, arXiv 1906.10771, equations 8 and 9, section 3.2).

Taylor-FO-BN: a gate multiplies every channel behind its batch normalisation, at 1; the loss changes by the gradient of
the gate, gamma dL/dgamma + beta dL/dbeta, when it closes. Gates that close together add up before they are squared, and
the squares are averaged over batches.

Deviation: the paper averages over labelled batches between steps of fine-tuning; here channels are ranked at once under
the encoder's own contrastive loss.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.channels import Group

SETTINGS = {"batch_count": 4}
LEAST = {"batch_count": 1}
SCOPE = "global"


def scores(
    encoder: Encoder, groups: list[Group], batches: Batches, generator: torch.Generator, *, batch_count: int
) -> dict[str, Tensor]:
    """The mean over batches of the squared sum of the gradients of a channel's gates, in float64."""
    model = copy.deepcopy(encoder).eval().requires_grad_(True)
    held = dict(model.named_parameters())
    names = [f"{norm}.{part}" for group in groups for norm in group.norms for part in ("weight", "bias")]
    found = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in groups}
    for views in batches.views(batch_count, generator):
        gradients = torch.autograd.grad(batches.loss(model, views), [held[name] for name in names])
        changes = {name: (held[name] * g).detach().double() for name, g in zip(names, gradients, strict=True)}
        for group in groups:
            gates = sum(changes[f"{norm}.weight"] + changes[f"{norm}.bias"] for norm in group.norms)
            found[group.name] += torch.as_tensor(gates).square() / batch_count
    return found
