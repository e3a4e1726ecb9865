"""Permuted and rescaled channels: the same function in weights of other places and other sizes.

Two of the invariant neuron transforms of Yan et al. 2023 (KDD, "Cracking White-box DNN Watermarks via Invariant Neuron
Transforms", arXiv 2205.00199), layer shuffle and neuron scale, for a ReLU network with batch normalisation. After
`permute`, every channel c between a convolution W1 and the next one, W2, gets two positive factors a and b:

    W1[c] <- a W1[c],   running mean <- a mean,   running variance <- a^2 (variance + eps) - eps
    bn weight, bias <- b weight, b bias,          W2[:, c] <- W2[:, c] / b

Batch normalisation divides by the standard deviation, so that a cancels there; relu(b z) = b relu(z), so that b cancels
in W2. Features change by rounding alone. With s the strength, a is log-uniform in [1, s] and b in [1/s, s], drawn for
every channel. a is no less than 1, since below it the variance of a dead channel could turn negative.

Known from the abstract alone, and from what a ReLU allows; their third transform, sign flip, needs activations that are
odd or a bias to absorb it, and is left out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.methods.alterations import permute
from prunemark.methods.alterations._inner_channels import Inner, inner_channels
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder

STRENGTHS = "largest factor of a channel: a number from 1.001 to 1000"
LEAST_STRENGTH = 1.001
MOST_STRENGTH = 1000
WHOLE = False
FALLING = False
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Permute the inner channels of every block, then rescale them by factors of up to ``strength``."""
    altered = permute.alter(encoder, permute.MOST_STRENGTH, trainer, images, generator)
    with torch.no_grad():
        for inner in inner_channels(altered):
            up, either = torch.rand(2, inner[1].num_features, generator=generator)
            rescale(inner, strength**up, strength ** (2 * either - 1))
    return altered


def rescale(inner: Inner, a: Tensor, b: Tensor) -> None:
    """Give the channels between two convolutions the factors ``a`` and ``b``, (C,) each and positive, in place."""
    before, norm, after = inner
    assert norm.running_mean is not None
    assert norm.running_var is not None
    for part in before.parameters():
        part.mul_(a.view(-1, *[1] * (part.dim() - 1)))
    norm.running_mean.mul_(a)
    wider = a.double().square() * (norm.running_var.double() + norm.eps) - norm.eps
    norm.running_var.copy_(wider)
    norm.weight.mul_(b)
    norm.bias.mul_(b)
    after.weight.div_(b.view(1, -1, 1, 1))
