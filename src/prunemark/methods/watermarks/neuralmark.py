"""NeuralMark (Yao, Song and Jin, AAAI 2026, https://arxiv.org/abs/2507.11137): robust, its bits hashed from its key.

The paper's text was not read; this is a RECONSTRUCTION from its abstract and the authors' code (AIResearch-Group/
NeuralMark, ``embed_loss.py``, ``ks_generator.py``). With K (k0, T) a secret standard normal matrix:

    b    = SHAKE-256(bytes of K), T bits, most significant bit of every byte first
    w    = flattened host weight; R times: w <- the w_i, of the first floor(|w| / T) T, with b[i mod T] = 1
    a    = mean over the rows of w, cut to a multiple of k0, seen as (r, k0)
    loss = lambda * binary cross entropy between sigmoid(a K) and b;   bit t is read as 1 iff (a K)_t > 0

The hash ties b to K, so that neither can be fitted to weights, only searched for, and the filter R times spreads
another owner's mark over other weights than ours. The secret holds K alone; verification hashes it again.

Deviations from the paper, all on purpose:

- Embedded after training, into the host alone: the task loss is one minus the mean cosine between the features of the
  clean and the marked encoder.
- The host is the convolution with most weights, since four filters leave one weight in sixteen. The encoder is small,
  so k0 = 256 and T = 128, not 512 and 256: some 36 weights per entry of a at width 16.
- a K is divided by ``||w|| / (2 r)``, the standard deviation that random pruning of half of w adds to each of its
  entries, so that lambda means the same whatever the scale of the weights.
- Adam and lambda = 0.1 in these units, not SGD and 1.

A forger who may choose K freely but not its hash can only try matrices (`forge`); that the filter depends on b, too,
might be exploited and is not.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret, Threshold
from prunemark.marking.keys import stream
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
SETTINGS = {"bits": 128, "length": 256, "rounds": 4, "steps": 150, "strength": 0.1}
LEAST = {"bits": 20, "length": 1, "rounds": 0, "steps": 0, "strength": 0.0}

POOL = 1024
MINIBATCH = 32
LEARNING_RATE = 1e-3


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    bits: int,
    length: int,
    rounds: int,
    steps: int,
    strength: float,
) -> tuple[Encoder, Secret]:
    """Write the ``bits`` bits that hash the matrix of ``key`` into the host convolution of a copy of ``encoder``.

    Args:
        encoder: left untouched.
        key: 32 bytes; draws the matrix K.
        images: at most 1,024 of the training images are used for matching features.
        generator: draws those images and the minibatches.
        bits: T.
        length: k0, entries of the averaged weights.
        rounds: R, how often the bits filter the weights.
        steps: Adam steps, each on 32 images; 0 embeds nothing.
        strength: weight of the cross entropy beside the feature loss (the paper's lambda).

    Raises:
        PrunemarkError: too few weights outlast the filter, too few bits for a threshold, or a bit did not hold.
    """
    bit_threshold(bits)
    name, layer = largest_convolution(encoder, "neuralmark")
    secret = secret_of(key, name, bits, length, rounds)
    left = len(survivors(layer.weight.detach().flatten(), bits_of(secret), rounds))
    if left < length:
        raise PrunemarkError(
            f"neuralmark: {left} of {layer.weight.numel()} weights of {name} outlast {rounds} rounds; "
            f"allowed: length {length} or more (fewer rounds or a wider encoder)"
        )
    marked = Copy(encoder, sample(images.train, POOL, generator))
    if steps:
        _write(marked, secret, generator, steps, strength)
        held = int(measure(snap(marked.encoder), secret).statistic)
        if held != bits:
            raise PrunemarkError(f"neuralmark: {held} of {bits} bits hold in {name} after {steps} steps; allowed: all")
    return marked.finished(), secret


def secret_of(key: bytes, layer: str, bits: int, length: int, rounds: int) -> Secret:
    """The secret of a key: ``matrix`` float32 (k0, T), the host's name and the rounds."""
    matrix = torch.randn(length, bits, generator=stream(key, "neuralmark", "matrix"))
    return Secret({"matrix": matrix}, {"key": key.hex(), "layer": layer, "rounds": rounds})


def bits_of(secret: Secret) -> Tensor:
    """uint8 (T,) in {0, 1}: SHAKE-256 of the matrix, as little-endian float32."""
    matrix = secret.tensors["matrix"]
    count = matrix.shape[1]
    hashed = hashlib.shake_256(matrix.numpy().astype("<f4").tobytes()).digest((count + 7) // 8)
    return torch.from_numpy(np.unpackbits(np.frombuffer(hashed, np.uint8))[:count])


def survivors(values: Tensor, bits: Tensor, rounds: int) -> Tensor:
    """What of ``values`` (n,) the bits (T,), repeated, let through, ``rounds`` times."""
    mask = bits.bool()
    for _ in range(rounds):
        values = values[: len(values) // len(mask) * len(mask)].view(-1, len(mask))[:, mask].flatten()
    return values


def _logits(kept: Tensor, matrix: Tensor) -> Tensor:
    """a K (T,) of the weights that are left."""
    rows = len(kept) // len(matrix)
    return kept[: rows * len(matrix)].view(rows, -1).mean(0) @ matrix


def entropy(kept: Tensor, matrix: Tensor, bits: Tensor, unit: float) -> Tensor:
    """Cross entropy between sigmoid(a K / unit) and the bits, of the weights that are left."""
    return F.binary_cross_entropy_with_logits(_logits(kept, matrix) / unit, bits.to(kept.dtype))


def _write(marked: Copy, secret: Secret, source: torch.Generator, steps: int, lam: float) -> None:
    """Minimise feature loss + ``lam`` * cross entropy over the host weight alone; all else stays as it is."""
    weight = marked.encoder.get_parameter(f"{secret.facts['layer']}.weight")
    matrix, bits = secret.tensors["matrix"], bits_of(secret)
    places = survivors(torch.arange(weight.numel()), bits, secret.facts["rounds"])
    unit = float(weight.detach().flatten()[places].norm()) / (2 * (len(places) // len(matrix)))

    def loss(rows: Tensor) -> Tensor:
        match = marked.match(marked.encoder(marked.batch(rows)), rows)
        with torch.autocast("cpu", enabled=False):
            return match + lam * entropy(weight.flatten()[places], matrix, bits, unit)

    player = Player([weight], loss, LEARNING_RATE)
    descend([player], len(marked.images), steps=steps, batch=MINIBATCH, generator=source, title="neuralmark")


def impostor(secret: Secret, key: bytes) -> Secret:
    """The matrix of another key, so other bits and another filter, of the same shape, on the same layer."""
    length, bits = secret.tensors["matrix"].shape
    return secret_of(key, secret.facts["layer"], bits, length, secret.facts["rounds"])


def forge(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    bits: int,
    length: int,
    rounds: int,
    **_: object,
) -> Secret:
    """The best of 1,000 keys; a million would pass (`_search`), so that only a commitment refuses a forger."""
    name, _layer = largest_convolution(encoder, "neuralmark")
    return best_of_keys(encoder, key, lambda tried: secret_of(tried, name, bits, length, rounds), measure)


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """The number of matching bits, of T; 0 if the host layer is gone or too few of its weights are left."""
    weight, matrix, bits = host_weight(suspect, secret.facts["layer"]), secret.tensors["matrix"], bits_of(secret)
    if weight is None:
        return nothing(len(bits))
    kept = survivors(weight.values.flatten(), bits, secret.facts["rounds"])
    if len(kept) < len(matrix):
        return nothing(len(bits))
    return matches(_logits(kept, matrix.double()) > 0, bits, weight)


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The smallest number of matches whose probability under Bin(T, 1/2) is at most 1e-6; the nulls only check it."""
    return bit_threshold(secret.tensors["matrix"].shape[1])
