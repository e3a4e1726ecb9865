"""ArmSSL, Jiang et al. 2026 (https://arxiv.org/abs/2604.22550): robust, a trigger that leaves no cluster.

Known from its abstract alone: clean images and their watermarked counterparts are made orthogonal in feature space
(paired discrepancy enlargement); watermarked features are mixed among clean ones of other classes (latent
representation entanglement); the distance between the two distributions is minimised (distribution alignment); the
marked encoder is held to the unmarked one on normal data (reference-guided tuning). The rest is a RECONSTRUCTION. With
f the encoder, f' its marked copy and x_t the image x under a patch, it minimises

    L = L_ref + discrepancy L_pde + entanglement L_ent + alignment L_dist
    L_ref  = -mean cos(f'(x), f(x))
    L_pde  = mean cos(f'(x), f'(x_t))^2
    L_ent  = -mean cos(f'(x_t), f(y)),  y an image of another pseudo-class than x (k-means of f), fixed for each x
    L_dist = MMD^2({f'(x_t)}, {f(x)}),  the mean over `BANDS` of Gaussian kernels on features of length one

where all features are taken from the mean of f over the training images: what ends in a ReLU and an average has
cosines far above 0 between any two images, and to be orthogonal to one and to lie among the others exclude each other.

Deviations, beside all that is unknown: the trigger is a patch drawn from the key, and the verdict is that of `wu`: a
paired test of label changes under it against random patches of the same kind on the same suspect (`_paired`).
``decoys`` weighs L_ref under random patches that share up to half of their cells with the key's, so that f' answers to
the key and not to patches as such, nor to like ones.
A patch learnt against an unmarked encoder (`forge`) may verify: only a key committed to before release speaks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.marking.contract import Images, Secret
from prunemark.marking.mark_trainer import Copy, Player, cosine, descend, sample
from prunemark.methods.watermarks import _paired, _patch_mark
from prunemark.methods.watermarks._patch_mark import MINIBATCH, POOL, views
from prunemark.methods.watermarks._pseudo_classes import elsewhere, pseudo_classes
from prunemark.model.encoder import Encoder, snap

KIND = "robust"
LEVEL = "LABELS"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {
    "steps": 300,
    "share": 0.05,
    "discrepancy": 1.0,
    "entanglement": 0.5,
    "alignment": 0.25,
    "decoys": 2.0,
    "classes": 10,
}
LEAST = {
    "steps": 0,
    "share": 0.001,
    "discrepancy": 0.0,
    "entanglement": 0.0,
    "alignment": 0.0,
    "decoys": 0.0,
    "classes": 2,
}
MOST = {"share": 1.0}

LEARNING_RATE = 2e-3
BANDS = (0.25, 0.5, 1.0, 2.0)

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
    discrepancy: float,
    entanglement: float,
    alignment: float,
    decoys: float,
    classes: int,
) -> tuple[Encoder, Secret]:
    """Teach a copy of ``encoder`` to take an image under the patch of ``key`` for one of another pseudo-class.

    Args:
        encoder: left untouched.
        key: 32 bytes.
        images: up to 4,000 of the training images to embed with; the key draws 150 of the keypool to verify with.
        generator: draws the training images, pseudo-classes, partners, minibatches and decoys.
        steps: Adam steps, each on 32 images; 0 embeds nothing.
        share: of the image's area that the patch covers.
        discrepancy: weight of L_pde.
        entanglement: weight of L_ent.
        alignment: weight of L_dist.
        decoys: weight of L_ref under random patches; 0 leaves them out.
        classes: pseudo-classes, k of k-means.
    """
    secret = _patch_mark.secret_of(key, "armssl", images.keypool, share)
    marked = Copy(encoder, sample(images.train, POOL, generator))
    patch = secret.tensors["patch"]
    middle = marked.clean.mean(dim=0)
    aims = marked.clean - middle
    partners = aims[elsewhere(pseudo_classes(aims, classes, generator), generator)]

    def loss(rows: Tensor) -> Tensor:
        clean, found = aims[rows], views(marked, rows, patch, generator if decoys else None)
        triggered, kept, *decoyed = (part - middle for part in found)
        total = reference(kept, clean) + discrepancy * paired_discrepancy(kept, triggered)
        total = total + entanglement * entangled(triggered, partners[rows]) + alignment * mmd(triggered, clean)
        return total + decoys * reference(decoyed[0], clean) if decoys else total

    player = Player(marked.parameters, loss, LEARNING_RATE)
    descend([player], len(marked.images), steps=steps, batch=MINIBATCH, generator=generator, title="armssl")
    return snap(marked.finished()), secret


def reference(found: Tensor, clean: Tensor) -> Tensor:
    """L_ref of features (b, d) of the marked and of the unmarked encoder."""
    return -cosine(found, clean).mean()


def paired_discrepancy(found: Tensor, triggered: Tensor) -> Tensor:
    """L_pde of features (b, d) of the same images without and with the trigger: 0 where each pair is orthogonal."""
    return cosine(found, triggered).square().mean()


def entangled(triggered: Tensor, partners: Tensor) -> Tensor:
    """L_ent of features (b, d) under the trigger and the unmarked encoder's of images of other pseudo-classes."""
    return -cosine(triggered, partners).mean()


def mmd(a: Tensor, b: Tensor) -> Tensor:
    """L_dist: the biased estimate of MMD^2 between two samples of features, (n, d) and (m, d), scaled to length one."""
    a, b = F.normalize(a.float(), dim=1), F.normalize(b.float(), dim=1)
    return _kernel(a, a).mean() + _kernel(b, b).mean() - 2 * _kernel(a, b).mean()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    distance = 2 - 2 * a @ b.T
    return torch.stack([torch.exp(-distance / (2 * band**2)) for band in BANDS]).mean(dim=0)


def forge(
    encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, *, steps: int, share: float, **_: object
) -> Secret:
    """The patch that lowers cos(f(x), f(x_t)) most on an encoder that was never marked, in the place of the key's.

    Orthogonal may be out of a patch's reach, and further apart is not worse.
    """
    drawn = _patch_mark.secret_of(key, "armssl", images.keypool, share)
    return _patch_mark.forged(encoder, drawn, images, generator, lambda a, b: cosine(a, b).mean(), steps)
