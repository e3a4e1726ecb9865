"""Fingerprint twins (OpenReview wSPmqFCICq): pairs of images that one encoder confuses and its altered copies do not.

Built for encoders behind a service. Known from its abstract alone: pairs of inputs have nearly identical embeddings on
the intact encoder, which diverge after tampering; realistic changes are simulated by importance-aware perturbations;
the search stays in an eps-ball; through an unknown downstream pipeline M the encoder is altered iff M(x) != M(x'). All
else is a RECONSTRUCTION and may differ from the authors' choices.

- x is made from an image of the key pool, x' from the other image of the pool that is nearest to it in features. x'
  descends, in the ball of root mean square ``radius`` around where it starts and in [0, 1],

      ||f(x') - f(x)||^2 - lam * mean_t ||f_t(x') - f_t(x)||^2

  with features f in units of their root mean square. lam is ``divergence``; below 1, so that a difference on the intact
  encoder costs more than the same difference on the copies gains. The copies f_t are without 0.5, 1 and 2 % of the
  smallest weights, or have Gaussian noise, most on the unimportant weights: of deviation s * r * exp(-|w| / r), r the
  root mean square of the weight tensor. A step takes one copy, in turn.
- Only labels are seen, and they change at a boundary. So x is first moved by a few grey levels to where the best two
  class scores of the owner's head differ by little more than ``tolerance`` times the scores' root mean square, and x',
  when it is found, to where the class of x leads by as little. Not by less, nor by less than 100 times what the batch
  size moves such a lead, mostly some 1e-6 of it: the intact encoder keeps a factor of more than 50 (tested).
- Of a bag of pairs those are kept that disagree on most copies and, among these, cover all copies. The secret is the
  pairs and no label. The statistic is the number of pairs that agree, and 0 where all images have one label: a network
  that pruning has made constant agrees with itself everywhere.

Deviations: the abstract maximises a Kullback-Leibler divergence, which the project's dossier replaced by the formula
above. The ball is not around x: twins that look alike agree again on heavily altered and on unrelated encoders. On a
ResNet-18 with 50 % pruned 2 of 4 keys missed it, of twins that do not look alike 1 of 10 keys. It holds for float32
arithmetic on one kind of device, as feature-digest does.
"""

from __future__ import annotations

from itertools import cycle as in_turn

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.mark_trainer import Player, descend
from prunemark.methods.checks._bag import best, cycle
from prunemark.methods.checks._boundary import lead, project, settle, threshold
from prunemark.methods.checks._copies import exact, frozen, pruned
from prunemark.methods.checks._keyed import key_images
from prunemark.model.encoder import Encoder, features, to_bytes, to_float, weights

NAME = "fingerprint-twins"
KIND = "fragile"
LEVEL = "LABELS"
KEYED = True
WRONG_KEYS = 1
SETTINGS = {"pairs": 16, "bag": 32, "steps": 15, "radius": 0.1, "divergence": 0.9, "tolerance": 0.0001}
LEAST = {"pairs": 2, "bag": 2, "steps": 0, "radius": 0.0, "divergence": 0.0, "tolerance": 1e-9}

LEARNING_RATE = 0.03
RATES = ("0.005", "0.01", "0.02")
NOISE = (3e-4, 1e-3, 3e-3)


def register(
    encoder: Encoder,
    logits: Query,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    pairs: int,
    bag: int,
    steps: int,
    radius: float,
    divergence: float,
    tolerance: float,
) -> Secret:
    """Twins made from the key pool.

    Args:
        encoder: left untouched.
        logits: the owner's head.
        key: 32 bytes; draws the images to start from.
        generator: draws noise.
        pairs: how many are kept, of ``bag`` that are made.
        steps: of the descent; 0: x' is as it starts.
        radius: the largest root mean square difference of x' and x, of 1.
        divergence: lam, the weight of what happens on the altered copies.
        tolerance: the smallest lead of a kept image's class, in units of the class scores' root mean square.

    Raises:
        PrunemarkError: too few images, scores without scale, too few pairs of sufficient lead, or all of one label.
    """
    starts = key_images(images.keypool, key, NAME, max(bag, pairs), pairs)
    scale = float(logits(features(encoder, starts)).double().square().mean().sqrt())
    both = torch.cat([starts, nearest(encoder, starts, images.keypool)])
    least = threshold(encoder, lambda h: lead(logits(h)), both, tolerance * scale, f"{NAME}: class scores")
    copies = [*pruned(encoder, RATES), *noised(encoder, NOISE, generator)]
    ones = settle(encoder, logits, starts, least)
    labels = logits(features(encoder, ones)).argmax(dim=1)
    others = part(encoder, copies, ones, both[len(ones) :], radius, divergence, steps, generator)
    others = settle(encoder, logits, others, least, labels)
    leads = torch.minimum(*(lead(logits(features(encoder, half)), labels) for half in (ones, others)))
    apart = torch.stack([disagree(copy, logits, ones, others) for copy in copies], dim=1)
    usable = leads >= least
    if int(usable.sum()) < pairs:
        raise PrunemarkError(f"{NAME}: {int(usable.sum())} pairs with a lead of {least:.1e}; allowed: {pairs} or more")
    kept = best(torch.where(usable, apart.sum(dim=1).double(), -torch.inf), apart, pairs)
    if len(labels[kept].unique()) < 2:
        raise PrunemarkError(f"{NAME}: all {pairs} pairs have one label; allowed: two labels or more")
    return Secret({"ones": ones[kept], "others": others[kept]}, {"key": key.hex()})


def nearest(encoder: Encoder, images: Tensor, pool: Tensor) -> Tensor:
    """Of the pool, for each of ``images`` from it the other image that is nearest in features."""
    distances = torch.cdist(features(encoder, images).double(), features(encoder, pool).double())
    return pool[distances.topk(2, dim=1, largest=False).indices[:, 1]]  # the first is the image itself


def part(
    encoder: Encoder,
    copies: list[Encoder],
    ones: Tensor,
    starts: Tensor,
    radius: float,
    divergence: float,
    steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Twins x', near ``starts``, of the images x = ``ones``, uint8 (N, H, W, 3) all three: as x on ``encoder`` and
    unlike it on ``copies``."""
    origin, intact = to_float(starts), frozen(encoder)
    others = origin.clone().requires_grad_()
    here, there = features(intact, ones), [features(copy, ones) for copy in copies]
    unit = here.square().mean().sqrt()
    turns = in_turn(zip(copies, there, strict=True))

    def loss(rows: Tensor) -> Tensor:
        copy, known = next(turns)
        return twins_loss(
            (intact(others[rows]) - here[rows]) / unit, (copy(others[rows]) - known[rows]) / unit, divergence
        )

    player = Player([others], exact(loss), LEARNING_RATE, lambda: project(others, origin, radius))
    descend([player], len(ones), steps=steps, batch=len(ones), generator=generator, title=NAME)
    return to_bytes(others)


def twins_loss(same: Tensor, apart: Tensor, divergence: float) -> Tensor:
    """mean_i ||same_i||^2 - divergence * ||apart_i||^2 of differences (N, d) on the intact encoder and on a copy."""
    return (same.square().sum(dim=1) - divergence * apart.square().sum(dim=1)).mean()


def noised(encoder: Encoder, shares: tuple[float, ...], source: torch.Generator) -> list[Encoder]:
    """Frozen copies with importance-aware noise: weights w of a tensor of root mean square r get a normal number times
    share * r * exp(-|w| / r)."""
    copies = []
    for share in shares:
        altered = frozen(encoder)
        for weight in weights(altered).values():
            size = weight.square().mean().sqrt()
            if size > 0:
                weight += share * size * (-weight.abs() / size).exp() * torch.randn(weight.shape, generator=source)
        copies.append(altered)
    return copies


def disagree(encoder: Encoder, logits: Query, ones: Tensor, others: Tensor) -> Tensor:
    """Which pairs have different labels, bool (N,)."""
    first, second = (logits(features(encoder, half)).argmax(dim=1) for half in (ones, others))
    return first != second


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same images, paired in an order of the other key."""
    ones, others = secret.tensors["ones"], secret.tensors["others"]
    return Secret({"ones": ones, "others": others[cycle(key, NAME, len(others))]}, {"key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The number of pairs that agree; 0 where all images have one label, as they never have when intact."""
    ones, others = secret.tensors["ones"], secret.tensors["others"]
    found = suspect(torch.cat([ones, others]))
    first, second = found.split(len(ones))
    agreeing = 0 if bool((found == found[0]).all()) else int((first == second).sum())
    return Reading(float(agreeing), trials=len(ones))


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """All pairs: one that disagrees is an altered encoder."""
    return Threshold(float(len(secret.tensors["ones"])))
