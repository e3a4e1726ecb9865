"""StegGuard, Ren et al. 2023 (https://arxiv.org/abs/2310.03380): secrets hidden in images, read from embeddings.

"StegGuard: Fingerprinting Self-supervised Pre-trained Encoders via Secrets Embeder and Extractor". Known from its
abstracts alone: an embedder hides a secret in an image, an extractor reads it from the victim's embedding of that
image; a suspect from whose embeddings the secrets of some 100 query images come with few errors is a copy. All else is
a RECONSTRUCTION and may differ from the authors' choices.

- A secret is b bits u in {-1, 1}. The embedder is linear in them, the same for all images, and hides them in a pair:

      x+-  = clip(x +- eps tanh(P u / sqrt(b))), eps = `EPSILON` = 16 / 255

- The extractor D is a perceptron on the difference of the pair's features, v = D((f(x+) - f(x-)) / s), s being what
  such differences have for a root mean square at first, and reads bit k as v_k > 0.
- P and D are learnt together on training images with fresh random bits on every batch, by the binary cross entropy
  between v and u. The encoder is the one registered and, in turn, altered copies of it (pruned, noised), so that bits
  are written where altering the encoder leaves them. This is the mirror image of sslauth.
- The query images are of the key pool and their bits of the key; neither was seen in training. The statistic is the
  number of bits read right, over all pairs.

Deviations: they hide a secret in one image. The features of small SimCLR encoders fill some five dimensions and differ
between images far more than 16 / 255 moves them: from single images at most 56 % of fresh bits were read with patterns
for all images, while in a pair's difference the image cancels. Their embedder works on the frequency domain by channel
attention and adapts to the image; here one pattern per bit does. Bits of one
pair are not independent where a pattern moves another encoder's features as it moves these, so there is no p-value:
the threshold is the larger one of the binomial's 1e-6 place and what lies above every unmarked encoder and wrong key,
and only the latter is claimed. A wrong key holds other bits for the same images.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.decoder import decode, draw_decoder, packed, unpacked
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Player, descend, sample
from prunemark.marking.thresholds import above_all, bit_threshold
from prunemark.methods.checks._copies import exact, frozen, noised, pruned
from prunemark.methods.checks._keyed import key_images
from prunemark.model.encoder import Encoder, features, to_bytes, to_float

KIND = "robust"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"queries": 64, "bits": 8, "steps": 120}
LEAST = {"queries": 1, "bits": 1, "steps": 1}

POOL = 512
MINIBATCH = 16
HIDDEN = 128
COARSE = 4
EPSILON = 16 / 255
LEARNING_RATE = 3e-2
RATES = ("0.3", "0.5", "0.7")
NOISE = (0.1,)


def register(
    encoder: Encoder,
    logits: Query,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    queries: int,
    bits: int,
    steps: int,
) -> Secret:
    """Learn to hide bits in images and to read them from features of ``encoder``; hide the key's in query images.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the query images and their bits.
        images: at most 512 of the training images are learnt on; query images come from the key pool.
        generator: draws those images, the first patterns and extractor, the bits learnt on and the noise of copies.
        logits: not used.
        queries: number of query images.
        bits: b, in each of them.
        steps: Adam steps, each on 16 pairs.

    Raises:
        PrunemarkError: too few images or bits, or pairs whose features do not differ or are not finite.
    """
    bit_threshold(queries * bits)
    chosen = key_images(images.keypool, key, "stegguard", queries)
    shown = sample(images.train, POOL, generator)
    patterns, decoder, scale = learn(encoder, shown, generator, bits, steps)
    string = draw_bits((queries, bits), stream(key, "stegguard", "bits"))
    pairs = to_bytes(hide(to_float(chosen), patterns.detach(), string))
    return Secret({"images": pairs, "bits": string, **packed(decoder)}, {"key": key.hex(), "scale": scale})


def learn(
    encoder: Encoder, shown: Tensor, source: torch.Generator, bits: int, steps: int
) -> tuple[Tensor, list[Tensor], float]:
    """Patterns (b, 3, H, W), extractor and scale, from images uint8 (N, H, W, 3).

    Raises:
        PrunemarkError: the features of all pairs are equal or not finite.
    """
    patterns = draw_patterns(bits, shown.shape[1], source).requires_grad_()
    first = hide(to_float(shown[:MINIBATCH]), patterns.detach(), draw_bits((len(shown[:MINIBATCH]), bits), source))
    moved = difference(features(encoder, to_bytes(first)))
    scale = float(moved.double().square().mean().sqrt())
    if not 0 < scale < math.inf:
        raise PrunemarkError(f"stegguard: hidden bits move features by {scale}; allowed: positive and finite")
    decoder = draw_decoder((moved.shape[1], HIDDEN, bits), source)
    intact, altered = frozen(encoder), [*pruned(encoder, RATES), *noised(encoder, NOISE, source)]
    victims = itertools.cycle([victim for other in altered for victim in (intact, other)])

    def loss(rows: Tensor) -> Tensor:
        drawn = draw_bits((len(rows), bits), source)
        found = next(victims)(hide(to_float(shown[rows]), patterns, drawn))
        return cross_entropy(decode(decoder, difference(found) / scale), drawn)

    player = Player([patterns, *decoder], exact(loss), LEARNING_RATE)
    descend([player], len(shown), steps=steps, batch=MINIBATCH, generator=source, title="stegguard")
    return patterns, decoder, scale


def draw_patterns(bits: int, size: int, source: torch.Generator) -> Tensor:
    """Standard normal patterns (b, 3, size, size), constant on cells of `COARSE` x `COARSE` pixels."""
    cells = -(-size // COARSE)
    drawn = torch.randn(bits, 3, cells, cells, generator=source)
    return drawn.repeat_interleave(COARSE, 2).repeat_interleave(COARSE, 3)[:, :, :size, :size].contiguous()


def draw_bits(shape: tuple[int, int], source: torch.Generator) -> Tensor:
    """Fair bits, uint8 in {0, 1}."""
    return torch.randint(0, 2, shape, generator=source, dtype=torch.uint8)


def hide(images: Tensor, patterns: Tensor, bits: Tensor) -> Tensor:
    """Pairs (2 N, 3, H, W), all x+ before all x-, of images (N, 3, H, W) in [0, 1] and their bits (N, b)."""
    signs = 2 * bits.float() - 1
    mixed = torch.einsum("nb,bchw->nchw", signs, patterns) / math.sqrt(len(patterns))
    moved = EPSILON * mixed.tanh()
    return torch.cat([images + moved, images - moved]).clamp(0, 1)


def difference(found: Tensor) -> Tensor:
    """Features of x+ minus those of x-, (N, d), from (2 N, d)."""
    plus, minus = found.float().chunk(2)
    return plus - minus


def cross_entropy(scores: Tensor, bits: Tensor) -> Tensor:
    """Mean binary cross entropy between the sigmoid of scores and bits, (N, b) each."""
    return F.binary_cross_entropy_with_logits(scores, bits.float())


def impostor(secret: Secret, key: bytes) -> Secret:
    """The bits of another key, in the same images and with the same extractor."""
    bits = secret.tensors["bits"]
    other = draw_bits((len(bits), bits.shape[1]), stream(key, "stegguard", "bits"))
    return Secret({**secret.tensors, "bits": other}, {**secret.facts, "key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The number of bits read right; none if the features have another length or are not finite."""
    tensors, trials = secret.tensors, secret.tensors["bits"].numel()
    found, decoder = suspect(tensors["images"]), unpacked(tensors)
    if found.shape[1:] != decoder[0].shape[1:] or not bool(found.isfinite().all()):
        return Reading(0.0, trials=trials)
    read = decode(decoder, difference(found) / secret.facts["scale"]) > 0
    right = int((read == tensors["bits"].bool()).sum())
    return Reading(float(right), trials=trials)


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The larger of the binomial's 1e-6 place and what lies above every unmarked encoder and wrong key."""
    place, measured = bit_threshold(secret.tensors["bits"].numel()), above_all(nulls)
    return Threshold(max(place.value, measured.value), measured.law, measured.p_value)
