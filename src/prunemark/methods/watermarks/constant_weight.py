"""Constant-weight code after Yasui, Tanaka, Malik and Kuribayashi 2022 (https://doi.org/10.3390/jimaging8060152):
robust, designed for pruning.

"Coded DNN Watermark: Robustness against Pruning Models Using Constant Weight Code", J. Imaging 8(6), 152. Known from
its abstract, notation and algorithms; the rest is a RECONSTRUCTION. The k bits of the message, read as a number, are
encoded as a codeword of L bits of which exactly alpha are 1 (`_enumerative`), alpha the smallest with
C(L, alpha) >= 2^k. The codeword bits have secret places among the host's weights:

    bit 1: |w| >= T1        bit 0: |w| <= T0        T0 < T1, signs kept

Extraction takes the alpha largest |w| of the L places for 1s and decodes their rank to the message. Magnitude pruning
removes small weights, that is the 0s first, so the codeword is exact until pruning's threshold passes T1.

Choices made here, Deviations where the paper differs:

- T1 = ``high`` and T0 = ``low`` times the root mean square of the host's weights. Weights already beyond stay.
- Written by clamping, after training and once, without a loss: 10 weights grow and some 160 shrink. Nothing is learnt.
- The host is the convolution with most weights, not a fully connected layer: encoders have none.
- k = 64, L = 512, so alpha = 10. Message and places are SHAKE-256 of the key, and the verifier derives both again. A
  secret that brought its places along could be fitted to any encoder: the places where it happens to fit.
- A rank of 2^k or more, which `embed` never writes, is read modulo 2^k. So each bit read is compared with an
  independent coin of the key, and matches follow Bin(k, 1/2) exactly.

The statistic is the number of matching message bits. One wrong place changes the rank, which garbles about half of the
message: the mark stands, or falls as a whole. The detail ``ones_found`` is the share of the codeword's 1s still read.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib

import numpy as np
import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret, Threshold
from prunemark.marking.thresholds import bit_threshold
from prunemark.methods.watermarks._enumerative import rank, smallest_weight, unrank
from prunemark.methods.watermarks._host import host_weight, matches, nothing
from prunemark.methods.watermarks._largest import largest_convolution
from prunemark.methods.watermarks._search import best_of_keys
from prunemark.model.encoder import Encoder, snap

KIND = "robust"
LEVEL = "WEIGHTS"
KEYED = True
WRONG_KEYS = 100_000
SETTINGS = {"bits": 64, "length": 512, "high": 4.0, "low": 1.0}
LEAST = {"bits": 20, "length": 22, "high": 0.0, "low": 0.0}

ROOM = 4


def embed(
    encoder: Encoder,
    key: bytes,
    images: Images,
    generator: torch.Generator,
    *,
    bits: int,
    length: int,
    high: float,
    low: float,
) -> tuple[Encoder, Secret]:
    """Clamp ``length`` weights of the host in a copy of ``encoder``: their magnitudes then spell a message of ``key``.

    Args:
        encoder: left untouched.
        key: 32 bytes; gives message and places.
        images, generator: not used.
        bits: k, length of the message.
        length: L, length of the codeword.
        high, low: T1 and T0 in units of the root mean square of the host's weights.

    Raises:
        PrunemarkError: ``low`` not below ``high``, a codeword too short for the message, or too small a host.
    """
    bit_threshold(bits)
    name, layer = _room(encoder, bits, length)
    secret = secret_of(key, name, bits, length, layer.numel())
    rms = float(layer.detach().square().mean().sqrt())
    if not low * rms < high * rms:
        raise PrunemarkError(f"constant-weight: low is {low}, high {high}, rms {rms}; allowed: low * rms < high * rms")
    marked = copy.deepcopy(encoder)
    weight = marked.get_parameter(f"{name}.weight").detach()
    flat, places = weight.flatten(), places_of(secret)
    one = torch.zeros(length, dtype=torch.bool)
    one[codeword(secret)] = True
    values = flat[places]
    size = torch.where(one, values.abs().clamp(min=high * rms), values.abs().clamp(max=low * rms))
    flat[places] = torch.where(values < 0, -size, size)
    weight.copy_(flat.view(weight.shape))
    snap(marked)
    held = int(measure(marked, secret).statistic)
    if held != bits:
        raise PrunemarkError(
            f"constant-weight: {held} of {bits} bits hold between {low} and {high} rms of {rms}; allowed: all"
        )
    return marked, secret


def _room(encoder: Encoder, bits: int, length: int) -> tuple[str, Tensor]:
    """Name and weight of the host, if it and the codeword are large enough."""
    if smallest_weight(bits, length) is None:
        raise PrunemarkError(f"constant-weight: {bits} bits in a codeword of {length}; allowed: a longer codeword")
    name, layer = largest_convolution(encoder, "constant-weight")
    if layer.weight.numel() < ROOM * length:
        raise PrunemarkError(
            f"constant-weight: {name} has {layer.weight.numel()} weights; allowed: {ROOM * length} or more "
            f"(a shorter codeword or a wider encoder)"
        )
    return name, layer.weight


def secret_of(key: bytes, layer: str, bits: int, length: int, size: int) -> Secret:
    """The secret of a key: all of it follows from these facts. ``size``: the number of weights of the host."""
    return Secret({}, {"key": key.hex(), "layer": layer, "bits": bits, "length": length, "size": size})


def message_of(secret: Secret) -> Tensor:
    """uint8 (k,) in {0, 1}, most significant bit first."""
    bits: int = secret.facts["bits"]
    hashed = np.frombuffer(_hash(secret, "message", (bits + 7) // 8), np.uint8)
    return torch.from_numpy(np.unpackbits(hashed)[:bits])


def places_of(secret: Secret) -> Tensor:
    """L different numbers below the host's size, int64: hashed 64-bit numbers modulo the size, repetitions left out."""
    size, length = secret.facts["size"], secret.facts["length"]
    drawn: list[int] = []
    count = length
    while len(drawn) < length:
        count *= 2
        numbers = np.frombuffer(_hash(secret, "places", 8 * count), "<u8") % np.uint64(size)
        drawn = list(dict.fromkeys(numbers.tolist()))
    return torch.tensor(drawn[:length])


def codeword(secret: Secret) -> list[int]:
    """Where among the L places the 1s are, ascending."""
    bits, length = secret.facts["bits"], secret.facts["length"]
    return unrank(_number(message_of(secret)), _alpha(bits, length), length)


def decode(magnitudes: Tensor, bits: int) -> tuple[Tensor, list[int]]:
    """The message, uint8 (k,), that magnitudes (L,) spell, and where they have their 1s."""
    length = len(magnitudes)
    order = torch.argsort(magnitudes.nan_to_num(), descending=True, stable=True)
    ones = sorted(order[: _alpha(bits, length)].tolist())
    digits = f"{rank(ones) % (1 << bits):0{bits}b}"
    return torch.tensor([int(digit) for digit in digits], dtype=torch.uint8), ones


def _alpha(bits: int, length: int) -> int:
    weight = smallest_weight(bits, length)
    assert weight is not None
    return weight


def _number(message: Tensor) -> int:
    return int("".join(map(str, message.tolist())), 2)


def _hash(secret: Secret, purpose: str, count: int) -> bytes:
    start = bytes.fromhex(secret.facts["key"]) + f"prunemark/constant-weight/{purpose}".encode()
    return hashlib.shake_256(start).digest(count)


def impostor(secret: Secret, key: bytes) -> Secret:
    """Message and places of another key, in the same layer."""
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
    name, weight = _room(encoder, bits, length)
    return best_of_keys(encoder, key, lambda tried: secret_of(tried, name, bits, length, weight.numel()), measure)


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """The number of matching message bits, of k; 0 if the host layer is gone or has another size."""
    weight, bits = host_weight(suspect, secret.facts["layer"]), secret.facts["bits"]
    if weight is None or weight.values.numel() != secret.facts["size"]:
        return nothing(bits)
    read, ones = decode(weight.values.flatten()[places_of(secret)].abs(), bits)
    reading = matches(read.bool(), message_of(secret), weight)
    found = len(set(ones) & set(codeword(secret))) / len(ones)
    return dataclasses.replace(reading, details={**reading.details, "ones_found": found})


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """The smallest number of matches whose probability under Bin(k, 1/2) is at most 1e-6; the nulls only check it."""
    return bit_threshold(secret.facts["bits"])
