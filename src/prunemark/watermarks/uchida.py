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

The host is the first convolution, in module order, with a kernel larger than 1 and M >= 4 T; no layer is named.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import math
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunemark.encoder import BATCH, Encoder, features, snap, to_float
from prunemark.errors import PrunemarkError
from prunemark.randomness import bytes_generator
from prunemark.watermark import Nulls, Secret, Threshold

ACTIVE = True
KIND = "robust"
LEVEL = "WEIGHTS"
KEYED = True
WRONG_KEYS = 1000
SETTINGS = {"bits": 64, "steps": 100, "strength": 0.1}
LEAST = {"bits": 20, "steps": 0, "strength": 0.0}

ALPHA = Fraction(1, 10**6)
POOL = 1024
MINIBATCH = 32
LEARNING_RATE = 3e-4
MARGIN = 4.0
ROOM = 4


def embed(
    encoder: Encoder,
    key: bytes,
    images: Tensor,
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
        images: uint8 (N, H, W, 3), of which at most 1,024 are used for matching features.
        generator: draws those images and the minibatches.
        bits: T.
        steps: Adam steps, each on 32 images.
        strength: weight of the cross entropy beside the feature loss (the paper's lambda).

    Raises:
        PrunemarkError: no convolution is large enough, too few bits for a threshold, or a bit did not hold.
    """
    binomial_threshold(bits, ALPHA)
    marked = copy.deepcopy(encoder).eval()
    name = host(marked, bits)
    layer = marked.get_submodule(name)
    assert isinstance(layer, nn.Conv2d)
    secret = secret_of(key, name, bits, layer.weight[0].numel())
    pool = images[torch.randperm(len(images), generator=generator)[:POOL]]
    _write(marked, layer.weight, secret, pool, generator, steps, strength)
    snap(marked)
    held = int(statistic(marked, secret))
    if held != bits:
        raise PrunemarkError(f"uchida: {held} of {bits} bits hold in {name} after {steps} steps; allowed: all")
    return marked, secret


def host(encoder: nn.Module, bits: int) -> str:
    """The name of the convolution that carries the mark.

    Raises:
        PrunemarkError: every convolution has fewer than ``4 * bits`` weights per output channel.
    """
    largest = 0
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1:
            size = module.weight[0].numel()
            if size >= ROOM * bits:
                return name
            largest = max(largest, size)
    raise PrunemarkError(
        f"uchida: {bits} bits need a convolution with at least {ROOM * bits} weights per output channel, "
        f"not {largest}; allowed: fewer bits or a wider encoder"
    )


def secret_of(key: bytes, layer: str, bits: int, size: int) -> Secret:
    """The secret of a key: ``bits`` uint8 (T,) in {0, 1} and ``projection`` float32 (T, M), M = ``size``."""
    string = torch.randint(0, 2, (bits,), generator=_stream(key, "bits"), dtype=torch.uint8)
    projection = torch.randn(bits, size, generator=_stream(key, "projection"))
    return Secret({"bits": string, "projection": projection}, {"key": key.hex(), "layer": layer})


def _stream(key: bytes, purpose: str) -> torch.Generator:
    return bytes_generator(hmac.digest(key, f"prunemark/uchida/{purpose}".encode(), hashlib.sha256))


def _write(
    marked: Encoder, weight: Tensor, secret: Secret, pool: Tensor, source: torch.Generator, steps: int, lam: float
) -> None:
    """Minimise feature loss + ``lam`` * cross entropy over ``weight`` alone; the other parameters stay as they are."""
    target = F.normalize(features(marked, pool), dim=1).to(weight.device)
    projection, bits = (secret.tensors[n].to(weight.device, torch.float32) for n in ("projection", "bits"))
    unit = float(weight.detach().norm()) / (2 * len(weight))
    _start(weight, projection, bits, unit)
    for parameter in marked.parameters():
        parameter.requires_grad_(parameter is weight)
    adam = torch.optim.Adam([weight], lr=LEARNING_RATE)
    for _ in range(steps):
        rows = torch.randint(len(pool), (MINIBATCH,), generator=source)
        found = F.normalize(marked(to_float(pool[rows].to(weight.device))), dim=1)
        match = 1 - (found * target[rows.to(weight.device)]).sum(1).mean()
        loss = match + lam * F.binary_cross_entropy_with_logits(projection @ weight.mean(0).flatten() / unit, bits)
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    for parameter in marked.parameters():
        parameter.requires_grad_(True)
        parameter.grad = None


@torch.no_grad()
def _start(weight: Tensor, projection: Tensor, bits: Tensor, unit: float) -> None:
    """Add the minimum-norm change of w after which every bit holds with at least `MARGIN` units."""
    sign = 2 * bits.double() - 1
    x = projection.double()
    logits = x @ weight.double().mean(0).flatten()
    missing = sign * (sign * logits).clamp(min=MARGIN * unit) - logits
    change = torch.linalg.lstsq(x.cpu(), missing[:, None].cpu(), driver="gelsd").solution[:, 0]
    weight.add_(change.to(weight.device, weight.dtype).view(weight.shape[1:]))


def impostor(secret: Secret, key: bytes) -> Secret:
    """Bits and projection of another key, of the same shapes, on the same layer."""
    size = secret.tensors["projection"].shape[1]
    return secret_of(key, secret.facts["layer"], bits(secret), size)


def statistic(suspect: Encoder, secret: Secret, batch: int = BATCH) -> float:
    """The number of matching bits, of T; 0.0 if the host layer is gone or has another input size."""
    layer = dict(suspect.named_modules()).get(secret.facts["layer"])
    projection = secret.tensors["projection"]
    if not isinstance(layer, nn.Conv2d) or layer.weight[0].numel() != projection.shape[1]:
        return 0.0
    mean = layer.weight.detach().cpu().double().mean(0).flatten()
    read = projection.double() @ mean > 0
    return float((read == secret.tensors["bits"].bool()).sum())


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The smallest number of matches whose probability under Bin(T, 1/2) is at most 1e-6; the nulls only check it."""
    value, p_value = binomial_threshold(bits(secret), ALPHA)
    return Threshold(float(value), f"Bin({bits(secret)}, 1/2)", p_value)


def binomial_threshold(trials: int, alpha: Fraction) -> tuple[int, float]:
    """The smallest k with P(Bin(trials, 1/2) >= k) <= alpha, and that probability, both exact.

    Raises:
        PrunemarkError: even all matches are more likely than alpha.
    """
    tail = Fraction(0)
    for k in range(trials, -1, -1):
        longer = tail + Fraction(math.comb(trials, k), 2**trials)
        if longer > alpha:
            break
        tail = longer
    if not tail:
        raise PrunemarkError(f"uchida: {trials} bits cannot reach a p-value of {float(alpha)}; allowed: 20 or more")
    return k + 1, float(tail)


def bits(secret: Secret) -> int:
    """T, the length of the bit string."""
    return len(secret.tensors["bits"])
