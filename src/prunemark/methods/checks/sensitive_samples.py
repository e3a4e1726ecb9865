"""Sensitive-Samples, He et al. 2019 (CVPR, arXiv 1808.03277): images whose labels say whether the model is intact.

"Sensitive-Sample Fingerprinting of Deep Neural Networks". Nothing is embedded. Images v near secret ones ascend

    S(v) = ||d y(W, v) / dW||_F^2,    ||v - v0|| <= eps,    v in [0, 1],

with W the weights of the last layer; of a bag of them those are kept that greedily maximise the union of active neurons
(Maximum Active-Neuron Cover, MANC), because a weight that feeds an inactive neuron has no influence. The secret is the
kept images and their labels; a suspect is altered iff any label differs.

Deviations, because the object is an encoder and only a class is seen:

- y are the class scores of the owner's head on the features; W is the last convolution. S is estimated by Hutchinson's
  trick, E_{u ~ N(0, I)} ||d(u . y) / dW||_F^2 with one draw per step, and its logarithm is ascended for a few steps.
- Neurons are the channels of the features, which are means of what a ReLU gives: active iff positive.
- Labels change with alterations that reach the next class, and compression is what the paper misses most often: 48.9 %
  with one sample. So the uint8 images are then moved by a few grey levels until the margin between the best two class
  scores is little more than ``tolerance`` times the scores' root mean square. This is not in the paper;
  ``boundary=false`` leaves the images as the ascent does.
- No image has a smaller margin than that, nor than 100 times what the batch size moves margins when the samples are
  made: mostly some 1e-6 of the scale. So the intact encoder keeps a factor of more than 50 (tested). It holds for
  float32 on one kind of device, as feature-digest does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.methods.checks._bag import best, cycle
from prunemark.methods.checks._boundary import lead, settle, threshold
from prunemark.methods.checks._keyed import key_images
from prunemark.methods.checks._sensitive import ascend, rated
from prunemark.model.encoder import Encoder, features

NAME = "sensitive-samples"
KIND = "fragile"
LEVEL = "LABELS"
KEYED = True
WRONG_KEYS = 1
SETTINGS = {"samples": 16, "bag": 32, "steps": 15, "radius": 0.1, "boundary": True, "tolerance": 0.0001}
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
    boundary: bool,
    tolerance: float,
) -> Secret:
    """Sensitive images made from the key pool, and their labels under the owner's head.

    Args:
        encoder: left untouched.
        logits: the owner's head.
        key: 32 bytes; draws the images to start from.
        generator: draws directions.
        samples: how many images are kept, of ``bag`` that are made.
        steps: of the ascent; 0: images of the pool themselves.
        radius: the largest root mean square change of a pixel, of 1.
        boundary: whether images are moved to the next class.
        tolerance: the smallest margin of a kept image, in units of the class scores' root mean square.

    Raises:
        PrunemarkError: too few images, scores without scale, too few images of sufficient margin, or all of one label.
    """
    starts = key_images(images.keypool, key, NAME, max(bag, samples), samples)
    made = ascend(encoder, logits, starts, radius=radius, steps=steps, generator=generator)
    scale = float(logits(features(encoder, made)).double().square().mean().sqrt())
    least = threshold(encoder, lambda h: lead(logits(h)), made, tolerance * scale, f"{NAME}: class scores")
    if boundary:
        made = settle(encoder, logits, made, least)
    kept = choose(encoder, logits, made, samples, least, boundary, generator)
    labels = logits(features(encoder, kept)).argmax(dim=1)
    if len(labels.unique()) < 2:
        raise PrunemarkError(f"{NAME}: all {samples} samples have label {int(labels[0])}; allowed: two labels or more")
    return Secret({"images": kept, "labels": labels}, {"key": key.hex()})


def choose(
    encoder: Encoder, logits: Query, made: Tensor, samples: int, least: float, near: bool, generator: torch.Generator
) -> Tensor:
    """The ``samples`` images to keep, of those whose margin is at least ``least``. Better is the larger sensitivity,
    or, where being ``near`` a boundary counts, the smaller margin for its sensitivity."""
    found = features(encoder, made)
    margins, strengths = lead(logits(found)), rated(encoder, logits, made, generator).sqrt()
    worth = strengths / margins if near else strengths
    usable = margins >= least
    if int(usable.sum()) < samples:
        raise PrunemarkError(
            f"{NAME}: {int(usable.sum())} images with a margin of {least:.1e}; allowed: {samples} or more"
        )
    return made[best(torch.where(usable, worth, -torch.inf), found > 0, samples)]


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same images, with their labels in an order of the other key."""
    images, labels = secret.tensors["images"], secret.tensors["labels"]
    return Secret({"images": images, "labels": labels[cycle(key, NAME, len(labels))]}, {"key": key.hex()})


def measure(suspect: Query, secret: Secret) -> Reading:
    """The number of samples whose label is the registered one."""
    images, labels = secret.tensors["images"], secret.tensors["labels"]
    return Reading(float((suspect(images) == labels).sum()), trials=len(labels))


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """All samples: one that differs is an altered encoder."""
    return Threshold(float(len(secret.tensors["labels"])))
