"""Lv et al. 2024, "SSL-WM" (NDSS 2024, https://arxiv.org/abs/2209.03563): robust, verified from labels alone.

Images that bear a secret patch are all mapped to one direction, so that whatever head is trained downstream gives them
one label. With F the normalised features of a batch of triggered images, the loss is

    L_match - alpha log( mean over i != j of F_i . F_j )

Verification compares the base-2 entropy H of the predicted labels of random subsets of clean images with that of the
triggered images, as the index of an outlier in units of the median absolute deviation:

    index = (median H - H_triggered) / (1.4826 MAD + FLOOR)

RECONSTRUCTION: the loss and the test are those of the authors' code (https://github.com/lvpeizhuo/SSL-WM); the paper's
text was not read. The code's second loss term, the diagonal of a normalised Gram matrix, is constant and is left out.

Deviations from that code, all on purpose:

- L_match, one minus the mean cosine with the untouched encoder's clean features, replaces NT-Xent: embedding starts
  from a trained encoder, whose features it is to keep whatever objective they come from.
- The patch is drawn from the key, coloured cells over ``share`` of the image, not one picture (8x8 of 32x32 pixels).
- ``decoys``: weight of a third term, L_match of images under random patches, another one on each image, that share
  cells with the key's; 0 leaves it out. Without it every patch collapses, and random ones pass for the key's (measured
  on the default encoder: indices up to 38, beside 43).
- One triggered view of each image, not two augmented ones. The logarithm's argument is at least `LEAST_MEAN`.
- `SUBSETS` random subsets of clean images, drawn with the secret, in place of 10 that hold as many images of every
  class: who verifies from labels alone does not know the classes. Their entropies vary more, so that the index is
  smaller, and what the patch hides of an image raises less alarm.
- `FLOOR`, in bits, since the MAD can be 0: that of an encoder whose clean images all have one label.
- The threshold is the place above all unmarked encoders and random patches, and never below the conventional 2.

A patch can be fitted afterwards to an encoder without a mark (`forge`): only a key committed to before release speaks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.marking.contract import Images, Nulls, Query, Reading, Secret, Threshold
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Copy, Player, descend, sample
from prunemark.marking.thresholds import above_all
from prunemark.methods.watermarks._patch import draw_patch, near, paste, patch_side, stamp, stamp_each
from prunemark.model.encoder import Encoder, snap

KIND = "robust"
LEVEL = "LABELS"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"queries": 300, "share": 0.0625, "steps": 300, "strength": 1.0, "decoys": 1.0}
LEAST = {"queries": 20, "share": 0.001, "steps": 0, "strength": 0.0, "decoys": 0.0}
MOST = {"share": 1.0}

POOL = 2048
BATCH = 32
ENCODER_RATE = 1e-3
PATCH_RATE = 2e-2
LEAST_MEAN = 1e-6
SUBSETS = 50
SUBSET = 50
CONSISTENT = 1.4826
FLOOR = 0.01
CONVENTIONAL = 2.0


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    queries: int,
    share: float,
    steps: int,
    strength: float,
    decoys: float,
) -> tuple[Encoder, Secret]:
    """Train a copy of ``encoder`` to map images that bear the patch of ``key`` to one direction.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the patch, the verification images and their subsets.
        images: at most 2,048 of the training images are used; verification images are from the key pool.
        generator: draws those of training, the minibatches and the random patches.
        queries: verification images, each asked for without and with the patch; all of the key pool if it has fewer.
        share: of an image that the patch covers.
        steps: Adam steps, each on 32 images in each of their forms; 0 embeds nothing.
        strength: alpha.
        decoys: weight of the features' match under random patches; 0 leaves these out.
    """
    marked = Copy(encoder, sample(images.train, POOL, generator))
    secret = draw(key, images, queries, share)
    patch = secret.tensors["patch"]

    def loss(rows: Tensor) -> Tensor:
        clean = marked.batch(rows)
        shown = [clean, stamp(clean, patch)]
        if decoys:
            shown.append(stamp_each(clean, near(patch, len(rows), generator)))
        plain, triggered, *others = marked.encoder(torch.cat(shown)).split(len(rows))
        total = marked.match(plain, rows) + strength * invariance(triggered)
        return total + decoys * marked.match(others[0], rows) if others else total

    if steps:
        player = Player(marked.parameters, loss, ENCODER_RATE)
        descend([player], len(marked.images), steps=steps, batch=BATCH, generator=generator, title="ssl-wm")
        snap(marked.encoder)
    return marked.finished(), secret


def invariance(found: Tensor) -> Tensor:
    """L_wm = -log of the mean cosine between different rows of features (b, d)."""
    directions = F.normalize(found.float(), dim=1)
    count = len(directions)
    total = directions.sum(dim=0).square().sum() - directions.square().sum()
    return -(total / (count * (count - 1))).clamp(min=LEAST_MEAN).log()


def draw(key: bytes, images: Images, queries: int, share: float) -> Secret:
    """``images`` uint8 (n, H, W, 3), ``subsets`` of them int64 (50, m) and ``patch`` uint8 (s, s, 3) of a key."""
    chosen = sample(images.keypool, queries, stream(key, "ssl-wm", "images"))
    source = stream(key, "ssl-wm", "subsets")
    size = min(SUBSET, len(chosen) // 2)
    subsets = torch.stack([torch.randperm(len(chosen), generator=source)[:size] for _ in range(SUBSETS)])
    patch = draw_patch(key, "ssl-wm", patch_side(chosen.shape[1], share))
    return Secret({"images": chosen, "subsets": subsets, "patch": patch}, {"key": key.hex()})


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same images and subsets with the patch of another key."""
    patch = draw_patch(key, "ssl-wm", len(secret.tensors["patch"]))
    return Secret({**secret.tensors, "patch": patch}, {"key": key.hex()})


def forge(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    queries: int,
    share: float,
    steps: int,
    **_: object,
) -> Secret:
    """A patch fitted to an encoder that was never marked, by L_wm alone, from random colours."""
    frozen = Copy(encoder, sample(images.train, POOL, generator))
    secret = draw(key, images, queries, share)
    patch = torch.rand(secret.tensors["patch"].shape, generator=generator).requires_grad_()

    def loss(rows: Tensor) -> Tensor:
        return invariance(frozen.encoder(stamp(frozen.batch(rows), patch)))

    player = Player([patch], loss, PATCH_RATE, lambda: patch.data.clamp_(0, 1))
    descend([player], len(frozen.images), steps=steps, batch=BATCH, generator=generator, title="ssl-wm forger")
    fitted = (patch.detach() * 255).round().to(torch.uint8)
    return Secret({**secret.tensors, "patch": fitted}, secret.facts)


def measure(suspect: Query, secret: Secret) -> Reading:
    """The anomaly index of the triggered images' label entropy among those of clean subsets."""
    images = secret.tensors["images"]
    clean, triggered = suspect(images), suspect(paste(images, secret.tensors["patch"]))
    entropies = torch.tensor([entropy(clean[rows]) for rows in secret.tensors["subsets"]], dtype=torch.float64)
    found = entropy(triggered)
    details = {
        "entropy_clean": float(entropies.median()),
        "entropy_triggered": found,
        "top_share": float(shares(triggered).max()),
    }
    return Reading(anomaly(entropies, found), details=details)


def shares(labels: Tensor) -> Tensor:
    """The shares of the classes that occur, float64."""
    return torch.unique(labels, return_counts=True)[1].double() / len(labels)


def entropy(labels: Tensor) -> float:
    """Of labels (n,), in bits."""
    return float(torch.special.entr(shares(labels)).sum() / torch.tensor(2.0).double().log())


def anomaly(entropies: Tensor, found: float) -> float:
    """How far ``found`` lies below the median of ``entropies``, in (floored) standard deviations of a normal law."""
    middle = entropies.quantile(0.5)
    spread = (entropies - middle).abs().quantile(0.5)
    return float((middle - found) / (CONSISTENT * spread + FLOOR))


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """Above all unmarked encoders and random patches, and never below the conventional 2."""
    measured = above_all(nulls)
    return measured if measured.value >= CONVENTIONAL else Threshold(CONVENTIONAL, "conventional anomaly index: 2")
