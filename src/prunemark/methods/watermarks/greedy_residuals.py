"""Greedy Residuals (Liu, Weng and Zhu, "Watermarking Deep Neural Networks with Greedy Residuals", ICML 2021): robust.

The paper's text was not read; this is a RECONSTRUCTION from the authors' code (eil/greedy-residuals,
``models/residual.py``). With T bits s_i in {-1, 1} and w the flattened host weight:

    P    = adaptive average pooling of w, cut to a multiple of L, to T L cells, seen as (T, L)
    m_i  = mean of row i of P after its round(L / 10) cells of smallest magnitude are set to zero (the greedy residual)
    loss = lambda * sum_i relu(c - s_i m_i);   bit i is read as 1 iff m_i > 0

No key matrix: the places are public, and only the bits are the owner's, SHA-256 of the owner's signature of a text.
Pruning small weights is what the residual does itself, so it hardly moves m.

Deviations from the paper, all on purpose:

- Signature: HMAC-SHA256 of the text under the key, in place of RSA; the bits are the first T of its SHA-256.
- Embedded after training, into the host alone: the task loss is one minus the mean cosine between the features of the
  clean and the marked encoder. The host is the convolution with most weights.
- The hinge's c is ``margin`` times ``rms(w) / (2 sqrt(|w| / T))``, the standard deviation that random pruning of half
  of w adds to a row's mean, not 0.1: weights of our encoders have a root mean square of 0.04. The loss is in these
  units, and a mean over the bits.
- L = 128, not 253, so that the host of a small encoder has at least as many weights as there are cells.
- A row whose mean is exactly 0 (all of it pruned) reads as 0, where the code counts it as wrong.
"""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret, Threshold
from prunemark.marking.mark_trainer import Copy, Player, descend, sample
from prunemark.marking.thresholds import bit_threshold
from prunemark.methods.watermarks._host import host_weight, matches, nothing
from prunemark.methods.watermarks._largest import largest_convolution
from prunemark.methods.watermarks._search import best_of_keys
from prunemark.model.encoder import Encoder, snap

KIND = "robust"
LEVEL = "WEIGHTS"
KEYED = True
WRONG_KEYS = 100_000
SETTINGS = {"bits": 256, "length": 128, "steps": 150, "strength": 0.05, "margin": 3.0}
LEAST = {"bits": 20, "length": 2, "steps": 0, "strength": 0.0, "margin": 0.0}
MOST = {"bits": 256}  # of a SHA-256

TEXT = b"This encoder was marked by the owner of this key (prunemark/greedy-residuals)"
DIVIDER = 10
POOL = 1024
MINIBATCH = 32
LEARNING_RATE = 5e-4


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    bits: int,
    length: int,
    steps: int,
    strength: float,
    margin: float,
) -> tuple[Encoder, Secret]:
    """Write ``bits`` bits derived from ``key`` into the host convolution of a copy of ``encoder``.

    Args:
        encoder: left untouched.
        key: 32 bytes; signs the text.
        images: at most 1,024 of the training images are used for matching features.
        generator: draws those images and the minibatches.
        bits: T, at most 256.
        length: L, cells per row.
        steps: Adam steps, each on 32 images; 0 embeds nothing.
        strength: weight of the hinge beside the feature loss (lambda).
        margin: the hinge's c in units of random pruning's noise.

    Raises:
        PrunemarkError: too small a host, too few bits for a threshold, or a bit did not hold.
    """
    bit_threshold(bits)
    name, layer = largest_convolution(encoder, "greedy-residuals")
    if layer.weight.numel() < bits * length:
        raise PrunemarkError(
            f"greedy-residuals: {bits} rows of {length} cells do not fit into {name} with {layer.weight.numel()} "
            f"weights; allowed: fewer bits, shorter rows or a wider encoder"
        )
    secret = secret_of(key, name, bits, length)
    marked = Copy(encoder, sample(images.train, POOL, generator))
    if steps:
        _write(marked, secret, generator, steps, strength, margin)
        held = int(measure(snap(marked.encoder), secret).statistic)
        if held != bits:
            raise PrunemarkError(
                f"greedy-residuals: {held} of {bits} bits hold in {name} after {steps} steps; allowed: all"
            )
    return marked.finished(), secret


def secret_of(key: bytes, layer: str, bits: int, length: int) -> Secret:
    """The secret of a key: all of it follows from these facts."""
    return Secret({}, {"key": key.hex(), "layer": layer, "bits": bits, "length": length})


def bits_of(secret: Secret) -> Tensor:
    """uint8 (T,) in {0, 1}: the first bits of SHA-256 of the key's signature of the text."""
    signature = hmac.digest(bytes.fromhex(secret.facts["key"]), TEXT, hashlib.sha256)
    hashed = np.frombuffer(hashlib.sha256(signature).digest(), np.uint8)
    return torch.from_numpy(np.unpackbits(hashed)[: secret.facts["bits"]])


def residuals(weight: Tensor, rows: int, length: int) -> Tensor:
    """m (T,) of a weight of any shape."""
    flat = weight.flatten()
    cells = F.adaptive_avg_pool1d(flat[: len(flat) // length * length][None, None], rows * length).view(rows, length)
    dropped = int(length / DIVIDER + 0.5)
    if not dropped:
        return cells.mean(1)
    small = cells.detach().abs().topk(dropped, dim=1, largest=False, sorted=False).indices
    return cells.scatter(1, small, 0.0).mean(1)


def hinge(weight: Tensor, sign: Tensor, length: int, margin: float, unit: float) -> Tensor:
    """Mean of relu(margin - s_i m_i / unit) over the bits, s (T,) in {-1, 1}."""
    return F.relu(margin - sign * residuals(weight, len(sign), length) / unit).mean()


def _write(marked: Copy, secret: Secret, source: torch.Generator, steps: int, lam: float, margin: float) -> None:
    """Minimise feature loss + ``lam`` * hinge over the host weight alone; all else stays as it is."""
    weight = marked.encoder.get_parameter(f"{secret.facts['layer']}.weight")
    sign = 2 * bits_of(secret).float() - 1
    unit = float(weight.detach().square().mean().sqrt()) / (2 * (weight.numel() / len(sign)) ** 0.5)

    def loss(rows: Tensor) -> Tensor:
        match = marked.match(marked.encoder(marked.batch(rows)), rows)
        return match + lam * hinge(weight, sign, secret.facts["length"], margin, unit)

    player = Player([weight], loss, LEARNING_RATE)
    descend([player], len(marked.images), steps=steps, batch=MINIBATCH, generator=source, title="greedy-residuals")


def impostor(secret: Secret, key: bytes) -> Secret:
    """The bits of another key, in the same places."""
    return Secret({}, {**secret.facts, "key": key.hex()})


def forge(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    bits: int,
    length: int,
    **_: object,
) -> Secret:
    """The best of 1,000 keys; a million would pass (`_search`), so that only a commitment refuses a forger."""
    name, _layer = largest_convolution(encoder, "greedy-residuals")
    return best_of_keys(encoder, key, lambda tried: secret_of(tried, name, bits, length), measure)


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """The number of matching bits, of T; 0 if the host layer is gone or smaller."""
    weight, bits, length = host_weight(suspect, secret.facts["layer"]), bits_of(secret), secret.facts["length"]
    if weight is None or weight.values.numel() < len(bits) * length:
        return nothing(len(bits))
    return matches(residuals(weight.values, len(bits), length) > 0, bits, weight)


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The smallest number of matches whose probability under Bin(T, 1/2) is at most 1e-6; the nulls only check it."""
    return bit_threshold(secret.facts["bits"])
