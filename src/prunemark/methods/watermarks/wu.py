"""Wu et al. 2022, "Watermarking Pre-trained Encoders in Contrastive Learning" (https://arxiv.org/abs/2201.08217).

Robust, an untargeted backdoor read through labels.

With x_t the image x under a secret patch, f the encoder and f' its marked copy, which starts as f and is trained with
dropout, minimise

    L_u = mean cos(f(x), f'(x_t)),  L_p = -mean cos(f(x), f'(x)),  L = L_u + eta L_p.

A classifier on f' changes its label under the patch; WACC is the share of images on which it does.

Deviations from the paper:

- The verdict. The paper compares WACC with a number it does not give, while unmarked encoders reach up to 55 % in its
  own tables. Here WACC is held against random patches on the same suspect, in a paired test (`_paired`).
- The patch is drawn from the key, coloured cells over ``share`` of the image, not one of four public figures.
- ``decoys``: weight of a third term, -mean cos(f(x), f'(x_r)), r a random patch for every image that shares up to half
  of its cells with the key's, so that f' answers to the key and not to patches as such, nor to similar ones. With
  weaker decoys 3 of 20 wrong keys passed on a SimCLR ResNet-18. 0 gives the paper's loss.
- Dropout (the rate is not given) acts on the feature maps after each residual block.
- ``eta`` is 1, not 0.5, which cost accuracy; Adam with a cosine, few steps, batches of 32.

A patch learnt against an unmarked encoder (`forge`) may verify: only a key committed to before release speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from prunemark.marking.contract import Images, Secret
from prunemark.marking.mark_trainer import Copy, Player, cosine, descend, sample
from prunemark.methods.watermarks import _paired, _patch_mark
from prunemark.methods.watermarks._patch_mark import MINIBATCH, POOL, views
from prunemark.model.encoder import Encoder, snap

KIND = "robust"
LEVEL = "LABELS"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"steps": 300, "share": 0.05, "eta": 1.0, "decoys": 1.0, "dropout": 0.1}
LEAST = {"steps": 0, "share": 0.001, "eta": 0.0, "decoys": 0.0, "dropout": 0.0}
MOST = {"share": 1.0, "dropout": 0.9}

LEARNING_RATE = 1e-3

impostor = _patch_mark.impostor
measure = _patch_mark.measure
calibrate = _paired.calibrate


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    steps: int,
    share: float,
    eta: float,
    decoys: float,
    dropout: float,
) -> tuple[Encoder, Secret]:
    """Teach a copy of ``encoder`` to lose an image under the patch of ``key``.

    Args:
        encoder: left untouched.
        key: 32 bytes.
        images: up to 4,000 of the training images to embed with; the key draws 150 of the keypool to verify with.
        generator: draws the training images, minibatches, decoys and dropout.
        steps: Adam steps, each on 32 images; 0 embeds nothing.
        share: of the image's area that the patch covers.
        eta: weight of the clean images' features.
        decoys: weight of the features under random patches; 0 leaves them out.
        dropout: share of neurons dropped while embedding.
    """
    secret = _patch_mark.secret_of(key, "wu", images.keypool, share)
    marked = Copy(encoder, sample(images.train, POOL, generator))
    patch = secret.tensors["patch"]

    def loss(rows: Tensor) -> Tensor:
        clean = marked.clean[rows]
        triggered, kept, *decoyed = views(marked, rows, patch, generator if decoys else None)
        total = away(triggered, clean) + eta * keep(kept, clean)
        return total + decoys * keep(decoyed[0], clean) if decoys else total

    with dropped_neurons(marked.encoder, dropout, generator):
        player = Player(marked.parameters, loss, LEARNING_RATE)
        descend([player], len(marked.images), steps=steps, batch=MINIBATCH, generator=generator, title="wu")
    return snap(marked.finished()), secret


def away(triggered: Tensor, clean: Tensor) -> Tensor:
    """L_u of features (b, d) under the trigger and the unmarked encoder's of the clean images."""
    return cosine(triggered, clean).mean()


def keep(found: Tensor, clean: Tensor) -> Tensor:
    """L_p of features (b, d) of the marked and of the unmarked encoder."""
    return -cosine(found, clean).mean()


@contextmanager
def dropped_neurons(encoder: nn.Module, rate: float, source: torch.Generator) -> Iterator[None]:
    """Within, every part that holds convolutions itself and answers with maps (N, C, H, W) loses some of their entries,
    each with probability ``rate``, and the others are scaled up by 1 / (1 - rate)."""

    def drop(_module: nn.Module, _given: object, found: Tensor) -> Tensor:
        if found.ndim != 4:
            return found
        kept = torch.rand(found.shape, generator=source) >= rate
        return found * (kept / (1 - rate)).to(found.dtype)

    blocks = [part for part in encoder.modules() if not isinstance(part, nn.Sequential) and holds_convolutions(part)]
    handles = [block.register_forward_hook(drop) for block in blocks if rate]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def holds_convolutions(part: nn.Module) -> bool:
    return any(isinstance(child, nn.Conv2d) for child in part.children())


def forge(
    encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, *, steps: int, share: float, **_: object
) -> Secret:
    """The patch that lowers L_u most on an encoder that was never marked, in the place of that of ``key``."""
    drawn = _patch_mark.secret_of(key, "wu", images.keypool, share)
    return _patch_mark.forged(encoder, drawn, images, generator, away, steps)
