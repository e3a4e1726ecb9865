"""Reversible watermark for integrity after Guan et al. 2020 (https://arxiv.org/abs/2104.04268): fragile, and undone.

"Reversible Watermarking in Deep Convolutional Neural Networks for Integrity Authentication", ACM MM 2020. Known from
its abstract and a summary: the kernels that pruning theory calls least important give a host sequence of integers
taken from the digits of the weights; a digest of the model is written into it by histogram shift; extraction restores
every weight. The rest is a RECONSTRUCTION and may differ from the authors' choices:

- Importance of an output channel: entropy over images of its pooled activation (Luo and Wu 2017,
  https://arxiv.org/abs/1706.05791), here of the convolution's output, in `ENTROPY_BINS` bins over the channel's range.
- Host: the convolution with most weights, there the half of the output channels with least entropy, or all of them
  where the half is too small.
- Digits are binary: decimal digits of a float32 cannot be exchanged exactly. On the 2^-24 grid a weight |w| < 1 is an
  integer n = w * 2^24; with k digits q = n >> (24 - k) is the host and the rest of n stays. k is the largest (so the
  least change) whose peak holds the payload.
- Payload: version, length, then HMAC-SHA256 under the key of all bytes of the original encoder. The plain digest of
  the abstract could be recomputed and embedded again by whoever alters the encoder.
- A weight of -0.0 has no place among the integers; it is left out of the host, on both sides.
- Localisation, which is not the paper's: the secret keeps an HMAC of every tensor of the marked encoder, truncated to
  64 bits, so that an altered encoder's changed tensors are named. The verdict does not depend on them.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret, Threshold
from prunemark.marking.mark_trainer import sample
from prunemark.methods.watermarks import _histogram_shift
from prunemark.methods.watermarks._histogram_shift import Bins
from prunemark.methods.watermarks._largest import largest_convolution
from prunemark.model.encoder import GRID, Encoder, features, state, state_bytes

KIND = "reversible"
LEVEL = "WEIGHTS"
KEYED = True
WRONG_KEYS = 20
SETTINGS: dict[str, object] = {}

GRID_DIGITS = 24
FEWEST_DIGITS = 4
ENTROPY_IMAGES = 512
ENTROPY_BINS = 100
VERSION = 1
MAC_BYTES = 32
HEADER = bytes([VERSION, MAC_BYTES])
PAYLOAD_BITS = 8 * (len(HEADER) + MAC_BYTES)
TAG = "prunemark/reversible/tensor"
TAG_BYTES = 8


def embed(encoder: Encoder, key: bytes, images: Images, generator: torch.Generator) -> tuple[Encoder, Secret]:
    """Write an HMAC of all bytes of ``encoder`` into the least important kernels of a copy of it.

    Args:
        encoder: on the 2^-24 grid; left untouched.
        key: 32 bytes.
        images: at most 512 of the training images are used for the channels' entropies.
        generator: draws those images.

    Raises:
        PrunemarkError: weights off the grid, host weights of magnitude 1 or more, or a host that is too small.
    """
    _check_grid(encoder)
    marked = copy.deepcopy(encoder)
    name, layer = largest_convolution(marked, "reversible")
    shown = sample(images.train, ENTROPY_IMAGES, generator)
    order = torch.argsort(channel_entropies(marked, layer, shown), stable=True)
    channels, digits, bins = _place(name, layer, order)
    message = _to_bits(HEADER + _mac(key, encoder))
    _apply(layer, channels, digits, lambda host: _histogram_shift.shift(host, message, bins))
    facts = {
        "key": key.hex(),
        "layer": name,
        "digits": digits,
        "peak": bins.peak,
        "zero": bins.zero,
        "payload_bits": PAYLOAD_BITS,
        "tags": tensor_tags(marked, key),
    }
    return marked, Secret({"channels": channels}, facts)


def channel_entropies(encoder: Encoder, layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Entropy in bits, float64 (out,), of every output channel's spatial mean over uint8 images (N, H, W, 3)."""
    pooled: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _inputs, out: pooled.append(out.mean(dim=(2, 3)).cpu()))
    try:
        features(encoder, images)
    finally:
        hook.remove()
    values = torch.cat(pooled).double()
    low, span = values.amin(0), (values.amax(0) - values.amin(0)).clamp(min=torch.finfo(torch.float64).tiny)
    cells = ((values - low) / span * ENTROPY_BINS).long().clamp(max=ENTROPY_BINS - 1)
    share = nn.functional.one_hot(cells, ENTROPY_BINS).double().mean(0)
    entropies: Tensor = torch.special.entr(share).sum(1) / math.log(2)
    return entropies


def _place(name: str, layer: nn.Conv2d, order: Tensor) -> tuple[Tensor, int, Bins]:
    """Channels int64 (C,), digits and bins of the host: half of the channels if they hold the payload, else all."""
    largest = float(layer.weight.detach().abs().max())
    if not largest < 1:
        raise PrunemarkError(f"reversible: {name} has a weight of magnitude {largest}; allowed: below 1")
    most = 0
    for channels in (order[: len(order) // 2].sort().values, order.sort().values):
        for digits in range(GRID_DIGITS, FEWEST_DIGITS - 1, -1):
            host, _rest = _split(_integers(layer, channels)[0], digits)
            bins = _histogram_shift.find_bins(host, (1 << digits) - 1)
            if bins is not None and bins.capacity >= PAYLOAD_BITS:
                return channels, digits, bins
            most = max(most, bins.capacity if bins else 0)
    raise PrunemarkError(
        f"reversible: {PAYLOAD_BITS} bits do not fit into {name}: its {layer.weight.numel()} weights hold {most} at "
        f"{FEWEST_DIGITS} or more binary digits; allowed: a wider encoder"
    )


def _integers(layer: nn.Conv2d, channels: Tensor) -> tuple[Tensor, Tensor]:
    """n = w * 2^24, int64 (H,), of the host's weights, and their places, bool, within ``layer.weight[channels]``.

    Raises:
        ValueError: a weight that is no such integer, or of magnitude 1 or more.
    """
    kernels = layer.weight.detach().cpu().double()[channels]
    places = ~((kernels == 0) & kernels.signbit())
    scaled = kernels[places] * GRID
    if not bool(((scaled == scaled.round()) & (scaled.abs() < GRID)).all()):
        raise ValueError("a host weight is off the grid or not below 1")
    return scaled.long(), places


def _split(integers: Tensor, digits: int) -> tuple[Tensor, Tensor]:
    """The ``digits`` leading binary digits (floor) and the rest: n = (q << (24 - digits)) + rest."""
    host = integers >> (GRID_DIGITS - digits)
    return host, integers - (host << (GRID_DIGITS - digits))


def _apply(layer: nn.Conv2d, channels: Tensor, digits: int, change: Callable[[Tensor], Tensor]) -> None:
    """Replace the host q of ``layer`` by ``change(q)``, in place; the rest of the digits stays."""
    integers, places = _integers(layer, channels)
    host, rest = _split(integers, digits)
    kernels = layer.weight.detach().cpu()[channels]
    kernels[places] = (((change(host) << (GRID_DIGITS - digits)) + rest).double() / GRID).to(kernels.dtype)
    with torch.no_grad():
        layer.weight[channels] = kernels.to(layer.weight.device)


def extract(suspect: Encoder, secret: Secret) -> tuple[Encoder, bytes]:
    """A copy of ``suspect`` with the shift undone, and the payload that the host carried.

    Raises:
        ValueError: the host layer is gone or has another shape, its weights are no integers on the grid, or it carries
            fewer bits than the payload.
    """
    restored = copy.deepcopy(suspect)
    layer = dict(restored.named_modules()).get(secret.facts["layer"])
    channels = secret.tensors["channels"]
    if not isinstance(layer, nn.Conv2d) or int(channels.max()) >= len(layer.weight):
        raise ValueError("no such host layer")
    message = torch.empty(0)

    def undo(marked: Tensor) -> Tensor:
        nonlocal message
        host, message = _histogram_shift.unshift(marked, secret.facts["peak"], secret.facts["zero"])
        return host

    _apply(layer, channels, secret.facts["digits"], undo)
    length = secret.facts["payload_bits"]
    if len(message) < length:
        raise ValueError(f"{len(message)} of {length} bits")
    return restored, _to_bytes(message[:length])


def restore(marked: Encoder, secret: Secret) -> Encoder:
    """The encoder before embedding, bit for bit.

    Raises:
        PrunemarkError: ``marked`` is not what `embed` returned, so that nothing can be promised of the result.
    """
    restored = _authentic(marked, secret)
    if restored is None:
        raise PrunemarkError("reversible: the encoder was altered after embedding; allowed: the intact marked encoder")
    return restored


def _authentic(suspect: Encoder, secret: Secret) -> Encoder | None:
    try:
        restored, payload = extract(suspect, secret)
    except ValueError:
        return None
    expected = HEADER + _mac(bytes.fromhex(secret.facts["key"]), restored)
    return restored if hmac.compare_digest(payload, expected) else None


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same places under another key: the most that somebody without the key could hold."""
    return Secret(secret.tensors, {**secret.facts, "key": key.hex()})


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """1 if a payload comes out and is the HMAC of the restored encoder, else 0; ``places``: the changed tensors."""
    kept: dict[str, str] = secret.facts["tags"]
    found = tensor_tags(suspect, bytes.fromhex(secret.facts["key"]))
    changed = sorted(name for name in kept.keys() | found.keys() if kept.get(name) != found.get(name))
    details = {"changed_layers": float(len(changed)), "layers": float(len(kept))}
    return Reading(float(_authentic(suspect, secret) is not None), details=details, places=tuple(changed))


def tensor_tags(encoder: Encoder, key: bytes) -> dict[str, str]:
    """For every tensor 64 bits, hexadecimal, of the HMAC-SHA256 of its name, type, shape and content."""
    tags = {}
    for name, tensor in state(encoder).items():
        content = f"{TAG} {name} {tensor.dtype} {tuple(tensor.shape)}\n".encode() + tensor.numpy().tobytes()
        tags[name] = hmac.digest(key, content, hashlib.sha256)[:TAG_BYTES].hex()
    return tags


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """1: authentic or not, there is nothing to calibrate."""
    return Threshold(1.0)


def _check_grid(encoder: Encoder) -> None:
    floats = [tensor.double() * GRID for tensor in state(encoder).values() if tensor.is_floating_point()]
    off = sum(int((scaled != scaled.round()).sum()) for scaled in floats)
    if off:
        raise PrunemarkError(f"reversible: {off} values are off the 2^-24 grid; allowed: 0 (encoders end on it)")


def _mac(key: bytes, encoder: Encoder) -> bytes:
    return hmac.digest(key, state_bytes(encoder), hashlib.sha256)


def _to_bits(content: bytes) -> Tensor:
    """int64 (8 n,), most significant bit of every byte first."""
    return torch.from_numpy(np.unpackbits(np.frombuffer(content, np.uint8)).astype(np.int64))


def _to_bytes(message: Tensor) -> bytes:
    return np.packbits(message.numpy().astype(np.uint8)).tobytes()
