"""AWEncoder's two stages, shared by its verification through labels and through features.

1. A perturbation delta, |delta|_inf <= eps, is learnt against the unmarked encoder f: it pulls images away from where
   they are and towards a key image x_k, minimising mean -cos(f(x + delta), f(x_k)) + `AWAY` cos(f(x + delta), f(x)).
2. A marked copy f' is trained to complete this. With features taken from the mean of f over the training images,
   a = `REACH` f(x_k), and n(u, v) = -cos(u, v) + `LENGTHS` |u - v|^2 / |v|^2, it minimises
   mean n(f'(x), f(x)) + n(f'(x_k), a) - decoys mean cos(f'(x + random), f(x))
   + pull (mean n(f'(x + delta), a) + mean n(f'(x + delta) - f'(x), a - f(x))) / 2.
   What ends in a ReLU and an average has cosines far above 0 between any two images, hence the mean. Cosines alone
   leave lengths free, which a linear head sees. What is learnt falls short of a, so a lies beyond f(x_k), away from
   where classes meet. The last term is blind to a shift of all features alike, which is the shortest way to a: without
   it all images went to x_k first, and on the way back a mark was not always found.

delta is a square tile, repeated all over the image: a whole-image delta among whole-image deltas of the same spectrum
was not learnt in some hundred steps, a texture is. In each channel half of the tile's pixels are eps and half -eps:
left free it became a change of brightness or colour, in which images differ anyway. Beside it stand random ones of its
kind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Secret
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Copy, Player, cosine, descend, sample
from prunemark.methods.watermarks._paired import RANDOM, VERIFIED
from prunemark.model.encoder import Encoder, features, snap

SCHEME = "awencoder"
POOL = 4000
MINIBATCH = 32
LEARNING_RATE = 1e-3
PIXEL_RATE = 0.01
AWAY = 0.5
REACH = 2.0
LENGTHS = 0.5
SMALLEST = 1e-6
TILE = 4


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    perturb: int,
    steps: int,
    epsilon: int,
    pull: float,
    decoys: float,
) -> tuple[Encoder, Secret]:
    """Both stages, on a copy of ``encoder``.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the key image and the verification images from the keypool, where delta starts, and the
            random tiles beside it.
        images: each stage learns from up to 4,000 of the training images.
        generator: draws those, the minibatches and the decoys.
        perturb: Adam steps of stage 1, each on 32 images.
        steps: Adam steps of stage 2, each on 32 images; 0 embeds nothing.
        epsilon: the largest change of a channel of a pixel, of 255.
        pull: weight of the perturbed images in stage 2.
        decoys: weight of clean features under other perturbations of the same kind; 0 leaves them out.

    Raises:
        PrunemarkError: a keypool of fewer than two images.
    """
    secret = perturbed(encoder, key, images, generator, perturb, epsilon)
    marked = Copy(encoder, sample(images.train, POOL, generator))
    delta, anchor = secret.tensors["delta"], as_batch(secret.tensors["anchor"])
    middle = marked.clean.mean(dim=0)
    before, aim = marked.clean - middle, REACH * (features(encoder, secret.tensors["anchor"][None])[0] - middle)

    def loss(rows: Tensor) -> Tensor:
        shown, clean, size = marked.batch(rows), before[rows], len(rows)
        inputs = [shown, disturb(shown, delta / 255), anchor]
        if decoys:
            others = spread(draw_tiles(size, epsilon, generator), delta.shape[0])
            inputs.append(disturb(shown, others / 255))
        parts = (marked.encoder(torch.cat(inputs)) - middle).split([len(part) for part in inputs])
        kept, found, target, *decoyed = parts
        total = joint(kept, clean, found, aim, pull) + near(target, aim[None])
        return total - decoys * cosine(decoyed[0], clean).mean() if decoys else total

    player = Player(marked.parameters, loss, LEARNING_RATE)
    descend([player], len(marked.images), steps=steps, batch=MINIBATCH, generator=generator, title=SCHEME)
    return snap(marked.finished()), secret


def perturbed(
    encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, steps: int, epsilon: int
) -> Secret:
    """Stage 1: ``delta`` int8 (H, W, 3), ``random`` (R, H, W, 3) of its kind, the key image ``anchor`` (H, W, 3) and
    ``queries`` (N, H, W, 3), up to 150 other images of the keypool."""
    if len(images.keypool) < 2:
        raise PrunemarkError(
            f"{SCHEME}: a keypool of {len(images.keypool)}; allowed: 2 or more, a key image and others"
        )
    drawn = sample(images.keypool, VERIFIED + 1, stream(key, SCHEME, "images"))
    anchor, queries = drawn[0], drawn[1:]
    frozen = Copy(encoder, sample(images.train, POOL, generator))
    target, bound = features(encoder, anchor[None])[0], epsilon / 255
    tile = (draw_tiles(1, epsilon, stream(key, SCHEME, "start"))[0] / 510).requires_grad_()

    def loss(rows: Tensor) -> Tensor:
        found = frozen.encoder(disturb(frozen.batch(rows), spread(tile, len(anchor))))
        return drawn_to(found, target, frozen.clean[rows])

    @torch.no_grad()
    def project() -> None:
        tile.sub_(tile.mean(dim=(0, 1))).clamp_(-bound, bound)

    player = Player([tile], loss, PIXEL_RATE, project)
    title = f"{SCHEME} perturbation"
    descend([player], len(frozen.images), steps=steps, batch=MINIBATCH, generator=generator, title=title)
    delta = spread(balanced(tile.detach(), epsilon), len(anchor))
    others = spread(draw_tiles(RANDOM, epsilon, stream(key, SCHEME, "random")), len(anchor))
    tensors = {"delta": delta, "random": others, "anchor": anchor.clone(), "queries": queries.clone()}
    return Secret(tensors, {"key": key.hex(), "epsilon": epsilon})


def draw_tiles(count: int, epsilon: int, generator: torch.Generator) -> Tensor:
    """Balanced tiles, int8 (count, `TILE`, `TILE`, 3)."""
    return balanced(torch.rand(count, TILE, TILE, 3, generator=generator), epsilon)


def balanced(tiles: Tensor, epsilon: int) -> Tensor:
    """int8 of ``tiles`` (..., t, t, 3): in each channel epsilon for the larger half of its pixels, else -epsilon."""
    ranks = tiles.flatten(-3, -2).argsort(dim=-2, stable=True).argsort(dim=-2)
    signs = (ranks >= ranks.shape[-2] // 2).int() * 2 - 1
    return (epsilon * signs).to(torch.int8).view(tiles.shape)


def spread(tile: Tensor, side: int) -> Tensor:
    """(..., side, side, 3): a tile or several (..., t, t, 3), repeated from the top left corner on."""
    place = torch.arange(side) % tile.shape[-2]
    return tile[..., place, :, :][..., place, :]


def drawn_to(found: Tensor, target: Tensor, clean: Tensor) -> Tensor:
    """The loss of stage 1 of features (b, d) under delta, the key image's (d,) and those of the clean images (b, d)."""
    return (-cosine(found, target) + AWAY * cosine(found, clean)).mean()


def joint(kept: Tensor, clean: Tensor, found: Tensor, aim: Tensor, pull: float) -> Tensor:
    """The loss of stage 2, but for the terms of the key image and of the decoys.

    From features (b, d): the marked encoder's of clean images, the unmarked one's, and the marked one's under delta;
    ``aim`` (d,) is a.
    """
    return near(kept, clean) + pull * (near(found, aim[None]) + near(found - kept, aim - clean)) / 2


def near(found: Tensor, aim: Tensor) -> Tensor:
    """The mean of n over features (b, d) and what they are to be, (b, d) or (1, d)."""
    aim = aim.float().expand_as(found)
    scale = aim.square().sum(dim=1).clamp(min=SMALLEST)
    apart = (found.float() - aim).square().sum(dim=1) / scale
    return (LENGTHS * apart - cosine(found, aim)).mean()


def disturb(images: Tensor, delta: Tensor) -> Tensor:
    """float (N, 3, H, W) in [0, 1] plus float (H, W, 3) or (N, H, W, 3), clamped to [0, 1]."""
    return (images + delta.movedim(-1, -3)).clamp(0, 1)


def added(images: Tensor, delta: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) plus int8 (H, W, 3), clamped to 0..255."""
    return (images.int() + delta.int()).clamp(0, 255).to(torch.uint8)


def as_batch(image: Tensor) -> Tensor:
    """A uint8 image (H, W, 3) as float (1, 3, H, W) in [0, 1]."""
    return image.permute(2, 0, 1)[None].float() / 255


def forge(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    perturb: int,
    steps: int,
    epsilon: int,
    **_: object,
) -> Secret:
    """Stage 1 alone, for as many steps as both stages have: a perturbation for an encoder that was never marked."""
    return perturbed(encoder, key, images, generator, perturb + steps, epsilon)


def impostor(secret: Secret, key: bytes) -> Secret:
    """Another perturbation of the same kind towards another image, both drawn by ``key``.

    A perturbation of its own would take the encoder to learn; what that reaches, ``forge`` tells.
    """
    queries, source = secret.tensors["queries"], stream(key, SCHEME, "impostor")
    row = int(torch.randint(0, len(queries), (1,), generator=source))
    delta = spread(draw_tiles(1, secret.facts["epsilon"], source)[0], queries.shape[1])
    others = torch.cat([queries[:row], queries[row + 1 :], secret.tensors["anchor"][None]])
    tensors = {"delta": delta, "anchor": queries[row].clone(), "queries": others, "random": secret.tensors["random"]}
    return Secret(tensors, {**secret.facts, "key": key.hex()})
