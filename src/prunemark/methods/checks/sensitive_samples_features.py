"""Sensitive-Samples, He et al. 2019 (CVPR, arXiv 1808.03277), where a suspect's features are seen.

The images of sensitive-samples with the encoder's features h in place of class scores,

    S(v) = E_{u ~ N(0, I)} ||d(u . h(W, v)) / dW||_F^2,    ||v - v0|| <= eps,    v in [0, 1],

ascended near secret images and kept by Maximum Active-Neuron Cover; the secret is the images and their features. The
paper compares top-1 labels or probabilities to some decimals; features within a tolerance are the encoder's analogue.

Deviations: W is the last convolution, where the paper has the last layer; S is estimated with one draw of u per step,
and its logarithm is ascended for a few steps. An image is the same if none of its features is further from the
registered one than ``tolerance`` times the registered features' root mean square, or than 100 times what the batch size
moves features when the samples are made: some 1e-6 of it. So the intact encoder keeps a factor of more than 50
(tested). It holds for float32 on one kind of device, as feature-digest does.

What S measures is largely how large features are. On a ResNet-18 the ascent raised S 1.9-fold, while the change of
features by pruning rose no more than the features and their rounding errors did: relative to a tolerance that intact
encoders must meet, these images are worth about as much as plain ones, ``steps=0``.
"""

from __future__ import annotations

import torch

from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.methods.checks._bag import best, cycle
from prunemark.methods.checks._boundary import threshold
from prunemark.methods.checks._keyed import key_images
from prunemark.methods.checks._sensitive import ascend, rated
from prunemark.model.encoder import Encoder, features

NAME = "sensitive-samples-features"
KIND = "fragile"
LEVEL = "FEATURES"
KEYED = True
WRONG_KEYS = 1
SETTINGS = {"samples": 16, "bag": 32, "steps": 15, "radius": 0.1, "tolerance": 0.0001}
LEAST = {"samples": 2, "bag": 2, "steps": 0, "radius": 0.0, "tolerance": 1e-9}


def register(
    encoder: Encoder,
    logits: Query,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    samples: int,
    bag: int,
    steps: int,
    radius: float,
    tolerance: float,
) -> Secret:
    """Sensitive images made from the key pool, and their features.

    Args:
        encoder: left untouched.
        logits: not used.
        key: 32 bytes; draws the images to start from.
        generator: draws directions.
        samples: how many images are kept, of ``bag`` that are made.
        steps: of the ascent; 0: images of the pool themselves.
        radius: the largest root mean square change of a pixel, of 1.
        tolerance: the largest difference of a feature that is none, in units of the features' root mean square.

    Raises:
        PrunemarkError: too few images in the pool, or features that are all zero or not finite.
    """
    starts = key_images(images.keypool, key, NAME, max(bag, samples), samples)
    made = ascend(encoder, itself, starts, radius=radius, steps=steps, generator=generator)
    found = features(encoder, made)
    kept = best(rated(encoder, itself, made, generator), found > 0, samples)
    values = features(encoder, made[kept])
    unit = tolerance * float(values.double().square().mean().sqrt())
    limit = threshold(encoder, itself, made, unit, f"{NAME}: tolerated differences")
    return Secret({"images": made[kept], "features": values}, {"key": key.hex(), "limit": limit})


def itself(values: torch.Tensor) -> torch.Tensor:
    return values


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same images, with their features in an order of the other key."""
    images, values = secret.tensors["images"], secret.tensors["features"]
    order = cycle(key, NAME, len(values))
    return Secret({"images": images, "features": values[order]}, {**secret.facts, "key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The number of samples whose features are the registered ones within the limit; 0 if they have another length."""
    values = secret.tensors["features"]
    found = suspect(secret.tensors["images"])
    if found.shape != values.shape:
        return Reading(0.0, trials=len(values))
    same = ((found.double() - values.double()).abs() <= secret.facts["limit"]).all(dim=1)
    return Reading(float(same.sum()), trials=len(values))


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """All samples: one that differs is an altered encoder."""
    return Threshold(float(len(secret.tensors["features"])))
