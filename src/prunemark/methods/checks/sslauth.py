"""SSL-Auth, Li et al. 2023 (https://arxiv.org/abs/2308.04673): key images that only the intact encoder gives back.

"SSL-Auth: An Authentication Framework by Fragile Watermarking for Pre-trained Encoders in Self-supervised Learning".
Known from its abstracts alone: selected key samples are the watermark information, a network is trained to reconstruct
them from the encoder, and a modified encoder does not give the reconstruction of the original one. All else is a
RECONSTRUCTION and may differ from the authors' choices. None of the abstracts mentions pruning.

- Key images x_1 .. x_n are drawn by the key; y_i is x_i reduced to at most `SIDE` x `SIDE` pixels, in [0, 1].
- h_i = f(x_i) is lifted, z = [sin(w_jk (h_j - mu_j) / s), cos(...)], with mu the mean of h, s their root mean square
  and w_jk between w_max / 8 and w_max, log-uniform and drawn by the key. Without it a decoder is smooth and small
  changes leave no trace; ``frequency`` (w_max, radians per root mean square) says how small a change turns the phases.
- A perceptron G with a sigmoid at its end learns, with e(h, i) the mean square of G(z(h)) - y_i over pixels,

      mean_i e(h_i, i) + lam * mean_t,i max(0, m - e(h_i^t, i))

  where h^t are features of altered copies (0.5 to 5 % of the smallest weights pruned; Gaussian noise on all weights)
  and m is the variance of the y, so the error of whoever answers with their mean. lam is ``strength``; 0 leaves the
  fragile term out.
- The statistic is -e', the mean error over the key images; the threshold is -1.5 times the largest error of the intact
  encoder, in any batch size and thread count, when the secret is registered or later.

Deviations: the encoder is not trained, since the abstract promises unchanged performance; the decoder is small and its
targets are, too, so that 20 keys take a minute. It holds for float32 arithmetic on one kind of device, as
feature-digest does.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.decoder import decode, draw_decoder, packed, unpacked
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Player, descend
from prunemark.methods.checks._copies import exact, noised, pruned
from prunemark.methods.checks._keyed import key_images
from prunemark.model.encoder import Encoder, features, to_float

KIND = "fragile"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 1
SETTINGS = {"queries": 16, "steps": 300, "strength": 1.0, "frequency": 2000.0}
LEAST = {"queries": 2, "steps": 1, "strength": 0.0, "frequency": 1e-3}

SIDE = 14
HIDDEN = 128
WAVES = 2
LEARNING_RATE = 3e-3
RATES = ("0.005", "0.01", "0.02", "0.05")
NOISE = (3e-4, 1e-3, 3e-3, 1e-2)
SLACK = 1.5
NONE = -1e30


def register(
    encoder: Encoder,
    logits: Query,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    queries: int,
    steps: int,
    strength: float,
    frequency: float,
) -> Secret:
    """Train a decoder that gives ``queries`` images of the key pool back from the features of ``encoder``.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws images and frequencies.
        generator: draws the decoder's first weights, the noise of the altered copies and the minibatches.
        logits: not used.
        queries: number n of key images.
        steps: Adam steps on all key images.
        strength: lam.
        frequency: w_max.

    Raises:
        PrunemarkError: fewer than ``queries`` images, or features that are all zero or not finite.
    """
    chosen = key_images(images.keypool, key, "sslauth", queries)
    intact = features(encoder, chosen)
    scale = float(intact.double().square().mean().sqrt())
    if not 0 < scale < math.inf:
        raise PrunemarkError(f"sslauth: features have root mean square {scale}; allowed: positive and finite")
    waves = draw_waves(intact.shape[1], frequency / scale, stream(key, "sslauth", "waves"))
    lifting = {"waves": waves, "centre": intact.double().mean(dim=0)}
    copies = [*pruned(encoder, RATES), *noised(encoder, NOISE, generator)]
    altered = torch.stack([lift(features(other, chosen), **lifting) for other in copies]).float()
    target = reduced(chosen)
    decoder = draw_decoder((2 * waves.numel(), HIDDEN, target.shape[1]), generator)
    shown, margin = lift(intact, **lifting).float(), float(target.var(dim=0, correction=0).mean())

    def loss(rows: Tensor) -> Tensor:
        found = errors(decoder, shown[rows], target[rows])
        return found.mean() + strength * fragile(decoder, altered[:, rows], target[rows], margin)

    player = Player(decoder, exact(loss), LEARNING_RATE)
    descend([player], queries, steps=steps, batch=queries, generator=generator, title="sslauth")
    secret = Secret({"images": chosen, "target": target, **lifting, **packed(decoder)}, {"key": key.hex()})
    return Secret(secret.tensors, {**secret.facts, "error": -measure_features(intact, secret).statistic})


def draw_waves(width: int, frequency: float, source: torch.Generator) -> Tensor:
    """Frequencies, float64 (width, `WAVES`), log-uniform between ``frequency`` / 8 and ``frequency``."""
    drawn = torch.rand(width, WAVES, generator=source, dtype=torch.float64)
    return frequency * 8 ** (drawn - 1)


def lift(found: Tensor, waves: Tensor, centre: Tensor) -> Tensor:
    """Sines and cosines, float64 (N, 2 d K), of features (N, d); ``waves`` (d, K) have 1 / s in them."""
    phases = ((found.double() - centre)[:, :, None] * waves).flatten(1)
    return torch.cat([phases.sin(), phases.cos()], dim=1)


def reduced(images: Tensor) -> Tensor:
    """float32 (N, 3 side side) in [0, 1]: means over cells of the images, uint8 (N, H, W, 3)."""
    side = min(SIDE, *images.shape[1:3])
    return F.adaptive_avg_pool2d(to_float(images), side).flatten(1).contiguous()


def errors(decoder: list[Tensor], lifted: Tensor, target: Tensor) -> Tensor:
    """Mean square over pixels, (..., n), between what is decoded and the targets (n, pixels)."""
    return (decode(decoder, lifted).sigmoid() - target).square().mean(dim=-1)


def fragile(decoder: list[Tensor], altered: Tensor, target: Tensor, margin: float) -> Tensor:
    """What the errors of altered copies, from lifted features (t, n, .), lack of ``margin``, on average."""
    return (margin - errors(decoder, altered, target)).clamp(min=0).mean()


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same decoder and images with targets of noise: all but the knowledge of what must come back."""
    source = stream(key, "sslauth", "impostor")
    noise = torch.rand(secret.tensors["target"].shape, generator=source)
    return Secret({**secret.tensors, "target": noise}, {**secret.facts, "key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """Minus the mean square error of the reconstruction; `NONE` where features do not fit or are no numbers."""
    return measure_features(suspect(secret.tensors["images"]), secret)


def measure_features(found: Tensor, secret: Secret) -> Reading:
    """As `measure`, of features (n, d) already there; in float64, so that a thread more or less changes nothing."""
    tensors = secret.tensors
    if found.shape != (len(tensors["images"]), len(tensors["centre"])) or not bool(found.isfinite().all()):
        return Reading(NONE)
    lifted = lift(found, tensors["waves"], tensors["centre"])
    each = errors(unpacked(tensors), lifted, tensors["target"].double())
    mean = float(each.mean())
    return Reading(-mean, details={"largest_error": float(each.max())}) if math.isfinite(mean) else Reading(NONE)


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """-1.5 times the largest error of the intact encoder."""
    largest = max([secret.facts["error"], *(-value for value in nulls.intact)])
    return Threshold(
        -SLACK * largest, f"{SLACK} times the largest of {1 + len(nulls.intact)} errors of the intact encoder"
    )
