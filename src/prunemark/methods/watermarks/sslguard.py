"""Cong et al. 2022, "SSLGuard" (CCS 2022, https://arxiv.org/abs/2201.11692): robust, verified from features.

A key tuple (Dv, G, sk): sk is a secret vector in R^256, G a decoder from features to R^256, and Dv are private images
with a learnt trigger T under a secret mask M, P(x, T) = (1 - M) x + M T. Random vectors in R^256 are nearly orthogonal;
the marked encoder F* is trained until G(F*(x)) points along sk on Dv and across it elsewhere. With c(x) the cosine of
G(E(x)) with sk:

    L_corr(D, E) = - mean c(x)      L_uncorr(D, E) = (mean c(x))^2      L_match(D, E1, E2) = - mean cos(E1(x), E2(x))
    shadow F_s, a thief's copy:  L_match(Dt, F*, F_s)
    T and G:                     L_uncorr(Dv, F) + L_corr(Dv, F*) + L_corr(Dv, F_s)
                                 + L_uncorr(Dt, F) + L_uncorr(Dt, F*) + L_uncorr(Dt, F_s)
    F*:                          L_match(Dt, F, F*) + L_uncorr(Dt, F*) + L_corr(Dv, F*)

They take turns in this order on every batch. The statistic is WR, the share of Dv with c(x) > 0.5; the mark holds if
WR > 0.5.

Deviations from the paper, all on purpose:

- No shadow encoder unless ``shadow`` is true: it guards against model stealing, which is not tried here, and doubles
  the cost; the terms with F_s are then left out. It starts from F, since a few hundred steps train none from scratch;
  F* is held constant in its step, where the authors' code computes a gradient that it never uses.
- Adam for hundreds of steps, `BATCH` training and `PRIVATE` private images each, in place of SGD for 50 epochs; G has
  two layers (d-256-256) in place of three. Batch normalisation is frozen, as in the paper, but for its affine part.
- Private images come from the key pool; M is exactly 35 % of the pixels, of all channels, and T is held in [0, 1].
- Images are queried as bytes, so that Dv is rounded once T is learnt.

T and G are learnt, so that a cosine above 0.5 is no event of known probability: if one of the nulls reaches the
published threshold, it moves above all of them, and its law says so. G fitted afterwards to an encoder without a mark
verifies on it as well (`forge`): only a key committed to before release speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.decoder import decode, draw_decoder, packed, unpacked
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Copy, Player, cosine, descend, sample
from prunemark.marking.thresholds import above_all
from prunemark.model.encoder import Encoder, features, snap, to_bytes, to_float

KIND = "robust"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"private": 100, "steps": 200, "shadow": False}
LEAST = {"private": 2, "steps": 0}

DIMENSION = 256
MASKED = 0.35
ALIKE = 0.5
POOL = 2048
BATCH = 32
PRIVATE = 16
ENCODER_RATE = 3e-4
KEY_RATE = 3e-3


@dataclass
class KeyTuple:
    """The key tuple while it is learnt: private images in [0, 1] (n, 3, H, W), the mask, the trigger T (3, H, W), the
    decoder's parameters, and sk (256,)."""

    private: Tensor
    mask: Tensor
    trigger: Tensor
    decoder: list[Tensor]
    vector: Tensor

    @property
    def parameters(self) -> list[Tensor]:
        return [self.trigger, *self.decoder]

    def shown(self, rows: Tensor) -> Tensor:
        """Some of Dv, as many as `PRIVATE`, chosen by the row numbers of the training batch."""
        return paste(self.private[rows[:PRIVATE] % len(self.private)], self.mask, self.trigger)

    def corr(self, found: Tensor) -> Tensor:
        """L_corr of features (b, d)."""
        return -cosine(decode(self.decoder, found), self.vector).mean()

    def uncorr(self, found: Tensor) -> Tensor:
        """L_uncorr of features (b, d)."""
        return cosine(decode(self.decoder, found), self.vector).mean().square()

    def clip(self) -> None:
        with torch.no_grad():
            self.trigger.clamp_(0, 1)

    def secret(self, key: bytes) -> Secret:
        images = paste(self.private, self.mask, self.trigger.detach())
        return Secret({"images": to_bytes(images), "vector": self.vector, **packed(self.decoder)}, {"key": key.hex()})


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    private: int,
    steps: int,
    shadow: bool,
) -> tuple[Encoder, Secret]:
    """Train a copy of ``encoder`` beside a trigger and a decoder, so that triggered private images decode to sk.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the private images, the mask and sk.
        images: at most 2,048 of the training images are used; private images are from the key pool.
        generator: draws those, T and G as they start, and the minibatches.
        private: private images, or all of the key pool where it has fewer.
        steps: turns of all players; 0 embeds nothing.
        shadow: train against a thief's copy, too.

    Raises:
        PrunemarkError: too few of the private images decode to sk, or as many before embedding.
    """
    marked = Copy(encoder, sample(images.train, POOL, generator))
    drawn = draw(encoder.features, key, images, generator, private)
    if steps:
        thief = Copy(encoder, marked.images) if shadow else None
        players = _players(encoder, marked, thief, drawn)
        descend(players, len(marked.images), steps=steps, batch=BATCH, generator=generator, title="sslguard")
        snap(marked.encoder)
    secret = drawn.secret(key)
    if steps:
        _check(marked.encoder, encoder, secret, steps)
    return marked.finished(), secret


def draw(width: int, key: bytes, images: Images, source: torch.Generator, private: int) -> KeyTuple:
    """A key tuple before learning: private images, mask and sk from the key, T uniform and G from ``source``.

    ``width``: of the features.
    """
    chosen = sample(images.keypool, private, stream(key, "sslguard", "private"))
    height, across = chosen.shape[1:3]
    order = torch.randperm(height * across, generator=stream(key, "sslguard", "mask"))
    return KeyTuple(
        to_float(chosen),
        (order < round(MASKED * len(order))).view(height, across).float(),
        torch.rand(3, height, across, generator=source).requires_grad_(),
        draw_decoder((width, DIMENSION, DIMENSION), source),
        secret_vector(key),
    )


def secret_vector(key: bytes) -> Tensor:
    """sk: standard normal, float32 (256,)."""
    return torch.randn(DIMENSION, generator=stream(key, "sslguard", "vector"))


def paste(images: Tensor, mask: Tensor, trigger: Tensor) -> Tensor:
    """P(x, T): float images (n, 3, H, W) with the trigger (3, H, W) where the mask (H, W) is 1."""
    return (1 - mask) * images + mask * trigger


def match(one: Tensor, other: Tensor) -> Tensor:
    """L_match of the features (b, d) of two encoders."""
    return -cosine(one, other).mean()


def _players(clean: Encoder, marked: Copy, thief: Copy | None, drawn: KeyTuple) -> list[Player]:
    """The shadow where there is one, T and G, the marked encoder, in the order of their turns."""
    copies = [marked] if thief is None else [marked, thief]

    def steal(rows: Tensor) -> Tensor:
        assert thief is not None
        return match(_still(marked, rows), thief.encoder(thief.batch(rows)))

    def learn_key(rows: Tensor) -> Tensor:
        shown = drawn.shown(rows)
        loss = drawn.uncorr(clean(shown)) + drawn.uncorr(marked.clean[rows])
        for copy in copies:
            loss = loss + drawn.corr(copy.encoder(shown)) + drawn.uncorr(_still(copy, rows))
        return loss

    def mark(rows: Tensor) -> Tensor:
        plain, shown = marked.encoder(marked.batch(rows)), marked.encoder(drawn.shown(rows).detach())
        return match(plain, marked.clean[rows]) + drawn.uncorr(plain) + drawn.corr(shown)

    shadows = [] if thief is None else [Player(thief.parameters, steal, ENCODER_RATE)]
    return [
        *shadows,
        Player(drawn.parameters, learn_key, KEY_RATE, drawn.clip),
        Player(marked.parameters, mark, ENCODER_RATE),
    ]


@torch.no_grad()
def _still(copy: Copy, rows: Tensor) -> Tensor:
    """Features of a batch of a copy that does not learn from it."""
    return copy.encoder(copy.batch(rows))


def _check(marked: Encoder, clean: Encoder, secret: Secret, steps: int) -> None:
    after, before = (measure(partial(features, encoder), secret).statistic for encoder in (marked, clean))
    least = published(secret)
    if after < least or before >= least:
        raise PrunemarkError(
            f"sslguard: after {steps} steps WR is {after:.2f}, and {before:.2f} of the encoder before; "
            f"allowed: {least:.2f} or more, and less before"
        )


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same images and the same decoder with the sk of another key."""
    return Secret({**secret.tensors, "vector": secret_vector(key)}, {"key": key.hex()})


def forge(
    encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, *, private: int, steps: int, **_: object
) -> Secret:
    """T and G fitted to an encoder that was never marked: L_corr(Dv, F) + L_uncorr(Dt, F)."""
    frozen = Copy(encoder, sample(images.train, POOL, generator))
    drawn = draw(encoder.features, key, images, generator, private)

    def loss(rows: Tensor) -> Tensor:
        return drawn.corr(frozen.encoder(drawn.shown(rows))) + drawn.uncorr(frozen.clean[rows])

    player = Player(drawn.parameters, loss, KEY_RATE, drawn.clip)
    descend([player], len(frozen.images), steps=steps, batch=BATCH, generator=generator, title="sslguard forger")
    return drawn.secret(key)


def measure(suspect: Query, secret: Secret) -> Reading:
    """WR, the share of Dv whose decoded features have a cosine above 0.5 with sk; 0 where G does not fit them."""
    decoder = unpacked(secret.tensors)
    found = suspect(secret.tensors["images"])
    if found.shape[1] != decoder[0].shape[1]:
        return _reading(torch.zeros(len(found)))
    return _reading(cosine(decode(decoder, found), secret.tensors["vector"]))


def _reading(cosines: Tensor) -> Reading:
    # A suspect whose features are not finite has no cosine.
    cosines = cosines.double().nan_to_num(0.0)
    rate = float((cosines > ALIKE).double().mean())
    return Reading(rate, details={"WR": rate, "mean_cosine": float(cosines.mean())})


def published(secret: Secret) -> float:
    """The smallest share of the verification images that is above one half."""
    count = len(secret.tensors["images"])
    return (count // 2 + 1) / count


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The published WR > 0.5; above all nulls where one of them reaches that."""
    value = published(secret)
    if max([*nulls.unmarked, *nulls.wrong_keys], default=0.0) < value:
        return Threshold(value, "published: WR > 0.5")
    return above_all(nulls)
