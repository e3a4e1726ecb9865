"""SynFlow: iterative synaptic flow, without data (Tanaka et al. 2020, arXiv 2006.05467, equation 5, algorithm 1).

R is the sum of the outputs for an input of ones when every weight is replaced by its absolute value; the score of a
weight is (dR/d|w|) |w|, the weight of all paths through it. The paper prunes in 100 rounds, which keeps it from
emptying layers: ``rounds: 100`` does that, one round is its one-shot form.

Batch normalisation stands in evaluation mode as a positive linear map: its scale |gamma| / sqrt(variance + eps), and
no shift, so that R is a sum over paths, as the paper's theorems need. Computed in float64.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.batches import Batches

SETTINGS: dict[str, object] = {}
SCOPE = "global"


def scores(encoder: Encoder, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """(dR/d|w|) |w| for every prunable weight, in float64."""
    model = linearised(encoder)
    size = model.spec.image_size
    prunable = weights(model)
    flow = model.backbone(torch.ones(1, 3, size, size, dtype=torch.float64)).sum()
    slopes = torch.autograd.grad(flow, list(prunable.values()))
    return {name: slope * prunable[name].detach() for name, slope in zip(prunable, slopes, strict=True)}


def linearised(encoder: Encoder) -> Encoder:
    """A copy in float64 with all weights positive, and batch normalisation without shifts: linear on positive inputs.

    Biases of convolutions and linear layers, which are shifts, are zero in it.
    """
    model = copy.deepcopy(encoder).double().eval().requires_grad_(True)
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.abs_()
                part.bias.zero_()
                part.running_mean.zero_()  # type: ignore[union-attr]
            elif isinstance(part, nn.Conv2d | nn.Linear):
                part.weight.abs_()
                if part.bias is not None:
                    part.bias.zero_()
    return model
