"""The one trainer of all schemes that learn: players with a loss each take turns on every batch; losses differ, not it.

A scheme that changes the encoder has one player, the marked copy; one that learns a trigger, a decoder or a shadow
beside it has more. The encoder stays in evaluation mode, so that its batch statistics are what training left.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, features, to_float
from prunemark.model.hardware import precision

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Player:
    """``loss``: from the row numbers of a batch, int64 (b,), to a scalar. ``after``: called after each of its steps,
    to project parameters back to where they may be."""

    parameters: list[Tensor]
    loss: Loss
    rate: float
    after: Callable[[], object] = lambda: None


def descend(
    players: list[Player], rows: int, *, steps: int, batch: int, generator: torch.Generator, title: str
) -> None:
    """Adam with a cosine to zero: on every batch of the rows 0 .. ``rows`` - 1 each player takes one step, in order.

    Rows come in permutations drawn from ``generator``. Only a player's own parameters move in its step, whatever its
    loss depends on. A progress bar is shown on a terminal.

    Raises:
        PrunemarkError: a loss that is not finite.
    """
    # torch.optim takes seconds to import, and most processes never embed.
    from torch.optim import Adam

    optimizers = [Adam(player.parameters, lr=player.rate) for player in players]
    bar = tqdm(range(steps), desc=title, unit="step", disable=None, leave=False)
    for step, chosen in zip(bar, batches(rows, min(batch, rows), generator), strict=False):
        for player, optimizer in zip(players, optimizers, strict=True):
            optimizer.param_groups[0]["lr"] = player.rate * (1 + math.cos(math.pi * step / steps)) / 2
            with torch.autocast("cpu", torch.bfloat16, enabled=precision("cpu") == torch.bfloat16):
                loss = player.loss(chosen)
            if not math.isfinite(float(loss.detach())):
                raise PrunemarkError(f"{title}: loss is {float(loss.detach())} at step {step + 1}; allowed: finite")
            gradients = torch.autograd.grad(loss, player.parameters, allow_unused=True)
            for parameter, gradient in zip(player.parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            player.after()


def batches(rows: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Row numbers, int64 (batch,), without end: permutation after permutation, incomplete batches dropped."""
    while True:
        order = torch.randperm(rows, generator=generator)
        yield from order.split(batch)[: rows // batch]


class Copy:
    """A copy of an encoder under training, beside what the untouched encoder's features are on the same images."""

    def __init__(self, encoder: Encoder, images: Tensor) -> None:
        """``images``: uint8 (N, H, W, 3); their features are computed once."""
        self.encoder = copy.deepcopy(encoder).eval()
        self.images = images
        self.clean = features(encoder, images)

    @property
    def parameters(self) -> list[Tensor]:
        """All that training may move: weights and biases, the affine part of batch normalisation included."""
        return list(self.encoder.parameters())

    def batch(self, rows: Tensor) -> Tensor:
        """float32 (b, 3, H, W) in [0, 1]."""
        return to_float(self.images[rows])

    def match(self, found: Tensor, rows: Tensor) -> Tensor:
        """One minus the mean cosine of features found, (b, d), with the untouched encoder's on the same images."""
        return 1 - cosine(found, self.clean[rows]).mean()

    def finished(self) -> Encoder:
        """The trained copy, without gradients."""
        self.encoder.zero_grad(set_to_none=True)
        return self.encoder


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosines (b,) between the rows of (b, d) and (b, d) or (d,), in float32 whatever autocast does."""
    return F.cosine_similarity(a.float(), b.float().expand_as(a), dim=1)


def sample(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` images drawn without replacement, or all where there are fewer."""
    return images[torch.randperm(len(images), generator=generator)[:count]]
