"""Rotated features: a linear layer behind the backbone turns all features by a random orthogonal matrix.

h' = Q h with Q drawn uniformly from the orthogonal group (a Gaussian matrix's QR decomposition with the signs of R's
diagonal, Mezzadri 2007, arXiv math-ph/0609050). What a server can do to features that it bought or stole: lengths,
distances and cosines stay, so that neighbours do not change and a head fitted anew loses nothing but rounding, while
whatever reads single features, or a head fitted before, sees others. Whoever looks sees that h' has negative entries,
which the mean of what a ReLU gives has not.

The layer cannot be folded into the backbone, whose last step is a mean over a ReLU: it is stored as the encoder's
``output_layer``. Schemes that see weights find those of the backbone unchanged and one more tensor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from prunemark.marking.contract import Images
from prunemark.methods.alterations._trainer import Train
from prunemark.model.encoder import Encoder

STRENGTHS = "all features are rotated: 1"
LEAST_STRENGTH = 1
MOST_STRENGTH = 1
WHOLE = True
FALLING = False
SETTINGS: dict[str, Any] = {}
LEAST: dict[str, float] = {}


def alter(encoder: Encoder, strength: float, trainer: Train, images: Images, generator: torch.Generator) -> Encoder:
    """Append a random orthogonal layer."""
    turn = orthogonal(encoder.features, generator)
    altered = Encoder(replace(encoder.spec, output_layer=True)).eval()
    assert altered.output is not None
    with torch.no_grad():
        target = altered.state_dict()
        for name, tensor in encoder.state_dict().items():
            target[name].copy_(tensor)
        before = turn if encoder.output is None else turn @ encoder.output.weight.double()
        altered.output.weight.copy_(before)
    return altered


def orthogonal(size: int, generator: torch.Generator) -> Tensor:
    """A matrix of the orthogonal group, float64 (size, size), by its uniform (Haar) measure."""
    drawn = torch.randn(size, size, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(drawn)
    return q * r.diagonal().sign()
