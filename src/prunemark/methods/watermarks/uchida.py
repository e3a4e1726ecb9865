"""Uchida et al. 2017, "Embedding Watermarks into Deep Neural Networks" (https://arxiv.org/abs/1701.04082): robust.

A bit string b (T bits) is written into one convolution W (out, in, k, k): with w (M = in * k * k) the mean of W over
its output channels and X (T, M) secret and standard normal, the embedding loss is the binary cross entropy between
sigmoid(X w) and b, and extraction reads bit t as 1 iff (X w)_t > 0.

Deviations from the paper, all on purpose:

- Embedded after training, into the one convolution, instead of during training. The task loss is replaced by one minus
  the mean cosine between the features of the clean and the marked encoder.
- X w is divided by ``||W|| / (2 out)``, the standard deviation that random pruning of half of W adds to each of its
  entries. Cross entropy then asks for margins in units of that noise, whatever the scale of the weights.
- Optimisation starts from the closed form: the smallest change of w (in the Euclidean norm) after which every bit
  holds with `MARGIN` such units.
- Random bits, both b and X from the key. With constant bits, as in the authors' code, any bias of the weights would
  pass for a mark.

The host is the first convolution, in module order, with a kernel larger than 1 and M >= 4 T; no layer is named. Fitted
afterwards, X with the bits that it happens to read verifies on any encoder (`forge`): only a key committed to before
release speaks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret, Threshold
from prunemark.marking.keys import stream
from prunemark.marking.mark_trainer import Copy, Player, descend, sample
from prunemark.marking.thresholds import bit_threshold
from prunemark.methods.watermarks._host import host, host_weight, matches, nothing
from prunemark.model.encoder import Encoder, snap

KIND = "robust"
LEVEL = "WEIGHTS"
KEYED = True
WRONG_KEYS = 100_000
SETTINGS = {"bits": 64, "steps": 100, "strength": 0.1}
LEAST = {"bits": 20, "steps": 0, "strength": 0.0}

POOL = 1024
MINIBATCH = 32
LEARNING_RATE = 3e-4
MARGIN = 4.0
ROOM = 4


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    bits: int,
    steps: int,
    strength: float,
) -> tuple[Encoder, Secret]:
    """Write ``bits`` bits derived from ``key`` into the host convolution of a copy of ``encoder``.

    Args:
        encoder: left untouched.
        key: 32 bytes.
        images: at most 1,024 of the training images are used for matching features.
        generator: draws those images and the minibatches.
        bits: T.
        steps: Adam steps, each on 32 images; 0 embeds nothing.
        strength: weight of the cross entropy beside the feature loss (the paper's lambda).

    Raises:
        PrunemarkError: no convolution is large enough, too few bits for a threshold, or a bit did not hold.
    """
    bit_threshold(bits)
    name, layer = host(encoder, ROOM * bits, f"uchida: {bits} bits")
    secret = secret_of(key, name, bits, layer.weight[0].numel())
    marked = Copy(encoder, sample(images.train, POOL, generator))
    if steps:
        _write(marked, secret, generator, steps, strength)
        held = int(measure(snap(marked.encoder), secret).statistic)
        if held != bits:
            raise PrunemarkError(f"uchida: {held} of {bits} bits hold in {name} after {steps} steps; allowed: all")
    return marked.finished(), secret


def secret_of(key: bytes, layer: str, bits: int, size: int) -> Secret:
    """The secret of a key: ``bits`` uint8 (T,) in {0, 1} and ``projection`` float32 (T, M), M = ``size``."""
    string = torch.randint(0, 2, (bits,), generator=stream(key, "uchida", "bits"), dtype=torch.uint8)
    projection = torch.randn(bits, size, generator=stream(key, "uchida", "projection"))
    return Secret({"bits": string, "projection": projection}, {"key": key.hex(), "layer": layer})


def _write(marked: Copy, secret: Secret, source: torch.Generator, steps: int, lam: float) -> None:
    """Minimise feature loss + ``lam`` * cross entropy over the host weight alone; all else stays as it is."""
    layer = marked.encoder.get_submodule(secret.facts["layer"])
    assert isinstance(layer, nn.Conv2d)
    weight, projection, bits = layer.weight, secret.tensors["projection"], secret.tensors["bits"].float()
    unit = float(weight.detach().norm()) / (2 * len(weight))
    _start(weight, projection, bits, unit)

    def loss(rows: Tensor) -> Tensor:
        match = marked.match(marked.encoder(marked.batch(rows)), rows)
        written = F.binary_cross_entropy_with_logits(projection @ weight.float().mean(0).flatten() / unit, bits)
        return match + lam * written

    player = Player([weight], loss, LEARNING_RATE)
    descend([player], len(marked.images), steps=steps, batch=MINIBATCH, generator=source, title="uchida")


@torch.no_grad()
def _start(weight: Tensor, projection: Tensor, bits: Tensor, unit: float) -> None:
    """Add the minimum-norm change of w after which every bit holds with at least `MARGIN` units."""
    sign = 2 * bits.double() - 1
    x = projection.double()
    logits = x @ weight.double().mean(0).flatten()
    missing = sign * (sign * logits).clamp(min=MARGIN * unit) - logits
    change = torch.linalg.lstsq(x, missing[:, None], driver="gelsd").solution[:, 0]
    weight.add_(change.to(weight.dtype).view(weight.shape[1:]))


def impostor(secret: Secret, key: bytes) -> Secret:
    """Bits and projection of another key, of the same shapes, on the same layer."""
    bits, size = secret.tensors["projection"].shape
    return secret_of(key, secret.facts["layer"], bits, size)


def forge(
    encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, *, bits: int, **_: object
) -> Secret:
    """A key for an encoder that was never marked: the projection of ``key``, and for bits whatever it reads."""
    name, layer = host(encoder, ROOM * bits, f"uchida: {bits} bits")
    drawn = secret_of(key, name, bits, layer.weight[0].numel())
    read = _read(layer.weight.detach().double(), drawn.tensors["projection"])
    return Secret({**drawn.tensors, "bits": read.to(torch.uint8)}, drawn.facts)


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """The number of matching bits, of T; 0 if the host layer is gone or has another input size."""
    weight, projection = host_weight(suspect, secret.facts["layer"]), secret.tensors["projection"]
    if weight is None or weight.values[0].numel() != projection.shape[1]:
        return nothing(len(projection))
    return matches(_read(weight.values, projection), secret.tensors["bits"], weight)


def _read(weight: Tensor, projection: Tensor) -> Tensor:
    return projection.double() @ weight.mean(0).flatten() > 0


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The smallest number of matches whose probability under Bin(T, 1/2) is at most 1e-6; the nulls only check it."""
    return bit_threshold(len(secret.tensors["bits"]))
