"""Marks that are a patch under which labels change: their secret, verification and forger; schemes differ in losses."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from prunemark.marking.contract import Images, Query, Reading, Secret
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Copy, Player, descend, sample
from prunemark.methods.watermarks._paired import RANDOM, VERIFIED, ask, flips, sign_test
from prunemark.methods.watermarks._patch import draw_patch, draw_patches, near, paste, patch_side, stamp, stamp_each
from prunemark.model.encoder import Encoder

POOL = 4000
MINIBATCH = 32
PATCH_RATE = 0.05

FeatureLoss = Callable[[Tensor, Tensor], Tensor]


def secret_of(key: bytes, scheme: str, keypool: Tensor, share: float) -> Secret:
    """``patch`` uint8 (s, s, 3), ``random`` (R, s, s, 3) and ``queries`` (N, H, W, 3), up to 150, all from ``key``."""
    queries = sample(keypool, VERIFIED, stream(key, scheme, "queries"))
    side = patch_side(queries.shape[1], share)
    patch, random = draw_patch(key, scheme, side), draw_patches(key, scheme, side, RANDOM)
    return Secret({"patch": patch, "random": random, "queries": queries}, {"key": key.hex(), "scheme": scheme})


def impostor(secret: Secret, key: bytes) -> Secret:
    """The patch of another key, on the same images and beside the same random patches."""
    scheme, patch = secret.facts["scheme"], secret.tensors["patch"]
    other = draw_patch(key, scheme, len(patch))
    return Secret({**secret.tensors, "patch": other}, {"key": key.hex(), "scheme": scheme})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The paired test of the images whose label changes under the patch."""
    patch, random, queries = (secret.tensors[name] for name in ("patch", "random", "queries"))
    shown = [queries, *(paste(queries, each) for each in (patch, *random))]
    return sign_test(*flips(ask(suspect, shown)))


def views(marked: Copy, rows: Tensor, patch: Tensor, decoys: torch.Generator | None) -> tuple[Tensor, ...]:
    """The copy's features (b, d) of some images under the patch, of the images as they are, and, where there is a
    generator to draw them, of the images under random patches that share cells with it, another one on each."""
    shown = marked.batch(rows)
    inputs = [stamp(shown, patch), shown]
    if decoys is not None:
        inputs.append(stamp_each(shown, near(patch, len(rows), decoys)))
    return marked.encoder(torch.cat(inputs)).split(len(rows))


def forged(
    encoder: Encoder, secret: Secret, images: Images, generator: torch.Generator, away: FeatureLoss, steps: int
) -> Secret:
    """``secret`` with the patch that minimises ``away``(features under it, clean features) on a frozen encoder."""
    frozen = Copy(encoder, sample(images.train, POOL, generator))
    patch = (secret.tensors["patch"] / 255).requires_grad_()

    def loss(rows: Tensor) -> Tensor:
        return away(frozen.encoder(stamp(frozen.batch(rows), patch)), frozen.clean[rows])

    @torch.no_grad()
    def clamp() -> None:
        patch.clamp_(0, 1)

    player = Player([patch], loss, PATCH_RATE, clamp)
    title = f"{secret.facts['scheme']} forger"
    descend([player], len(frozen.images), steps=steps, batch=MINIBATCH, generator=generator, title=title)
    rounded = (patch.detach() * 255).round().to(torch.uint8)
    return Secret({**secret.tensors, "patch": rounded}, secret.facts)
