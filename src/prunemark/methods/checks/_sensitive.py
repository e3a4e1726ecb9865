"""Sensitive samples: images whose answer moves most with the last weights, and the few of them that cover the network.

Shared by sensitive-samples and sensitive-samples-features, which differ in what they register of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Query
from prunemark.marking.mark_trainer import Player, descend
from prunemark.methods.checks._boundary import project
from prunemark.methods.checks._copies import exact, frozen
from prunemark.model.encoder import Encoder, to_bytes, to_float

LEARNING_RATE = 0.05
CONVOLUTIONS = 1  # as the paper, which takes the last layer; more of them gained nothing on a ResNet-18
DRAWS = 4
TINY = 1e-30  # under the logarithm: a dead network has sensitivity 0


def last_convolutions(encoder: nn.Module, count: int) -> list[nn.Conv2d]:
    """The last ``count`` convolutions in module order, chosen by type, or all where there are fewer.

    Raises:
        PrunemarkError: there is none.
    """
    found = [module for module in encoder.modules() if isinstance(module, nn.Conv2d) and module.groups == 1]
    if not found:
        raise PrunemarkError("sensitive samples: an encoder without convolutions; allowed: one or more")
    return found[-count:]


@contextmanager
def recorded(convolutions: list[nn.Conv2d]) -> Iterator[list[tuple[nn.Conv2d, Tensor, Tensor]]]:
    """Convolutions with their inputs and outputs, in the order in which they run while the context lasts."""
    seen: list[tuple[nn.Conv2d, Tensor, Tensor]] = []

    def keep(module: nn.Conv2d, given: tuple[Tensor, ...], made: Tensor) -> None:
        seen.append((module, given[0], made))

    hooks: list[RemovableHandle] = [module.register_forward_hook(keep) for module in convolutions]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def sensitivity(model: Query, images: Tensor, convolutions: list[nn.Conv2d], directions: Tensor) -> Tensor:
    """||d(u . y) / dW||_F^2 of every image, (N,), differentiable: y = ``model``'s answer (N, c), W = the weights of the
    convolutions, u = ``directions`` (N, c). In evaluation mode.

    The gradient of one image is g^T a over output places, with g that of the convolution's output and a the patches it
    sees; its norm comes from the two Gram matrices, so that no image needs a pass of its own.
    """
    with recorded(convolutions) as seen:
        answer = model(images)
    slopes = torch.autograd.grad((answer * directions).sum(), [made for _, _, made in seen], create_graph=True)
    total = images.new_zeros(len(images))
    for (module, given, _), slope in zip(seen, slopes, strict=True):
        g = slope.flatten(2)
        a = F.unfold(given, module.kernel_size, module.dilation, padding_of(module), module.stride)
        total = total + ((g.mT @ g) * (a.mT @ a)).sum(dim=(1, 2))
    return total


def padding_of(module: nn.Conv2d) -> tuple[int, ...]:
    if isinstance(module.padding, str):
        raise PrunemarkError(f"sensitive samples: padding {module.padding!r}; allowed: a number of pixels")
    return module.padding


def ascend(
    encoder: Encoder,
    answer: Query,
    starts: Tensor,
    *,
    radius: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Images near ``starts``, uint8 (N, H, W, 3), whose sensitivity is large.

    Ascends the mean log of E_{u ~ N(0, I)} ||d(u . y) / dW||_F^2, one draw of u per step and image, in the ball of root
    mean square ``radius`` around each start and in [0, 1], then rounds to uint8. A logarithm, so that no image
    outweighs the others.

    Args:
        answer: from features (N, d) to y (N, c).
    """
    victim = frozen(encoder)
    layers = last_convolutions(victim, CONVOLUTIONS)
    width = answer(victim(to_float(starts[:1]))).shape[1]
    origin = to_float(starts)
    images = origin.clone().requires_grad_()

    def model(batch: Tensor) -> Tensor:
        return answer(victim(batch))

    def loss(rows: Tensor) -> Tensor:
        directions = torch.randn(len(rows), width, generator=generator)
        return -(sensitivity(model, images[rows], layers, directions) + TINY).log().mean()

    player = Player([images], exact(loss), LEARNING_RATE, lambda: project(images, origin, radius))
    descend([player], len(starts), steps=steps, batch=len(starts), generator=generator, title="sensitive samples")
    return to_bytes(images)


def rated(encoder: Encoder, answer: Query, images: Tensor, generator: torch.Generator) -> Tensor:
    """The sensitivity of uint8 images, (N,), as the mean of `DRAWS` directions."""
    victim = frozen(encoder)
    layers, floats = last_convolutions(victim, CONVOLUTIONS), to_float(images).requires_grad_()
    width = answer(victim(floats[:1])).shape[1]
    total = torch.zeros(len(images))
    for _ in range(DRAWS):
        directions = torch.randn(len(images), width, generator=generator)
        total += sensitivity(lambda batch: answer(victim(batch)), floats, layers, directions).detach()
    return total / DRAWS
