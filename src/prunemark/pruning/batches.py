"""What a pruning criterion may look at: unlabelled training images, and the encoder's own contrastive loss on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder

Views = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Batches:
    """``images``: uint8 (N, H, W, 3) of the train split, ``size`` of them a batch. ``objective``: the one that the
    encoder was trained by, with its trained projector, in evaluation mode. No labels exist at this point.
    """

    images: Tensor
    size: int
    objective: nn.Module
    two_views: Views

    def draw(self, count: int, generator: torch.Generator) -> Iterator[Tensor]:
        """``count`` batches of images, uint8 (n, H, W, 3), each image at most once in a batch."""
        for _ in range(count):
            yield self.images[torch.randperm(len(self.images), generator=generator)[: self.size]]

    def views(self, count: int, generator: torch.Generator) -> Iterator[Tensor]:
        """``count`` batches of two views, float (2n, 3, H, W), as in training."""
        for images in self.draw(count, generator):
            yield self.two_views(images, generator)

    def loss(self, encoder: Encoder, views: Tensor) -> Tensor:
        """The contrastive loss of a batch of views, a scalar."""
        found: Tensor = self.objective(encoder, views)
        return found

    def terms(self, encoder: Encoder, views: Tensor) -> Tensor:
        """The loss of every view (2n,), whose mean is `loss`."""
        found: Tensor = self.objective.terms(encoder, views)  # type: ignore[operator]
        return found
