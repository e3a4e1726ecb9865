"""From scores and a rate to a mask, and the mask as an entropy-coded container.

The container: ``PMK1``, the length of the header (uint32, little-endian), the header (canonical JSON), the payload
(uint32 words, little-endian). The header names the codec, the SHA-256 of the encoder's file that the mask applies to,
and for every layer the name and the shape of its weight and the number of kept entries.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from math import prod
from typing import Any

import constriction
import numpy as np
import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, weights
from prunemark.pruning.scopes import PATTERNS, SCOPES, check_reach

MAGIC = b"PMK1"
CODEC = "constriction-ans-bernoulli/2"
MOST_WEIGHTS = 2**31

Mask = dict[str, Tensor]
Layer = tuple[str, list[int], int]


@dataclass(frozen=True)
class Container:
    """A decoded mask file: bool tensors by weight name, and the SHA-256 of the encoder file it applies to."""

    mask: Mask
    encoder_sha256: str


def pruned_count(rate: str, total: int) -> int:
    """How many of ``total`` weights a rate removes: rate * total, rounded to the nearest integer, exactly.

    Raises:
        PrunemarkError: not the text of a number in [0, 1).
    """
    try:
        share = Decimal(rate)
        allowed = 0 <= share < 1
    except InvalidOperation:
        allowed = False
    if not allowed:
        raise PrunemarkError(f"rate: {rate!r} is not allowed: a number of at least 0 and below 1")
    return int((share * total).quantize(Decimal(1), ROUND_HALF_EVEN))


def masks_from_scores(scores: dict[str, Tensor], rate: str, scope: str) -> Mask:
    """True = kept. `prunemark.pruning.scopes` says which weights each scope ranks together.

    The lowest scores go first; equal scores go in the order of weight names and positions. So masks of one set of
    scores are nested across rates, and rate 0 keeps everything.

    Raises:
        PrunemarkError: a score that is NaN, no such scope, or a rate that it does not reach.
    """
    if scope not in SCOPES:
        raise PrunemarkError(f"scope: {scope!r} is not allowed: {', '.join(SCOPES)}")
    pruned_count(rate, 0)
    check_reach(scope, rate)
    for name, score in scores.items():
        if torch.isnan(score).any():
            raise PrunemarkError(f"scores of {name}: NaN found; every score must be a number")
    if scope != "global":
        return {name: keep_in_layer(scores[name], rate, scope) for name in sorted(scores)}
    names = sorted(scores)
    keep = keep_best(torch.cat([scores[name].double().flatten() for name in names])[None], rate)[0]
    parts = keep.split([scores[name].numel() for name in names])
    return {name: part.view(scores[name].shape) for name, part in zip(names, parts, strict=True)}


def keep_in_layer(scores: Tensor, rate: str, scope: str) -> Tensor:
    """The mask of one weight (out, in, ...) for a scope that looks at one layer."""
    scores = scores.double()
    if scope == "layer":
        return keep_best(scores.reshape(1, -1), rate).view(scores.shape)
    if scope == "row":
        return keep_evenly(scores.flatten(1), rate).view(scores.shape)
    size = PATTERNS[scope][1] if Decimal(rate) else 1
    rows = scores.movedim(1, -1)  # (out, ..., in): the input channels are next to each other
    whole = rows[0].numel() // size * size
    flat = rows.reshape(len(rows), -1)
    keep = torch.empty(flat.shape, dtype=torch.bool)
    keep[:, :whole] = keep_best(flat[:, :whole].reshape(-1, size), rate).view(len(rows), -1)
    keep[:, whole:] = keep_best(flat[:, whole:].reshape(1, -1), rate).view(len(rows), -1)
    return keep.view(rows.shape).movedim(-1, 1).contiguous()


def keep_best(rows: Tensor, rate: str) -> Tensor:
    """Per row of scores (R, n): False for the lowest, as many as the rate asks for."""
    keep = torch.ones(rows.shape, dtype=torch.bool)
    count = pruned_count(rate, rows.shape[1])
    return keep.scatter_(1, torch.argsort(rows, dim=1, stable=True)[:, :count], False)


def keep_evenly(rows: Tensor, rate: str) -> Tensor:
    """The rows of one layer, scores (R, n), lose their lowest, as many as the rate asks of all together: each row the
    same number, and those one more whose next score is lowest."""
    each, over = divmod(pruned_count(rate, rows.numel()), len(rows))
    order = torch.argsort(rows, dim=1, stable=True)
    keep = torch.ones(rows.shape, dtype=torch.bool).scatter_(1, order[:, :each], False)
    if over:
        following = order[:, each]
        lowest = torch.argsort(rows.gather(1, following[:, None]).flatten(), stable=True)[:over]
        keep[lowest, following[lowest]] = False
    return keep


def apply(encoder: Encoder, mask: Mask) -> Encoder:
    """Set the weights outside the mask to +0, in place; the others stay bit for bit.

    Raises:
        PrunemarkError: the mask is not one of this encoder's weights.
    """
    prunable = weights(encoder)
    if {n: m.shape for n, m in mask.items()} != {n: w.shape for n, w in prunable.items()}:
        raise PrunemarkError("mask: its weights are not those of the encoder, by name and shape")
    with torch.no_grad():
        for name, weight in prunable.items():
            weight.copy_(torch.where(mask[name].to(weight.device), weight, torch.zeros_like(weight)))
    return encoder


def entropy_bytes(mask: Mask) -> float:
    """The zeroth-order entropy of a mask, in bytes: per weight tensor n * H(kept / n) / 8, summed."""
    bits = 0.0
    for part in mask.values():
        n, k = part.numel(), int(part.sum())
        bits -= sum(count * np.log2(count / n) for count in (k, n - k) if count)
    return bits / 8


def encode(mask: Mask, encoder_sha256: str) -> bytes:
    """The container of a mask: an ANS coder with one Bernoulli model per weight tensor, its kept share exact."""
    coder = constriction.stream.stack.AnsCoder()
    layers: list[Layer] = [(name, list(mask[name].shape), int(mask[name].sum())) for name in sorted(mask)]
    for name, shape, kept in reversed(layers):  # a stack: what goes in last comes out first
        model = bernoulli(prod(shape), kept)
        if model is not None:
            coder.encode_reverse(mask[name].flatten().numpy().astype(np.int32), model)
    content = {"codec": CODEC, "encoder": encoder_sha256, "layers": layers}
    header = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    payload = coder.get_compressed().astype("<u4").tobytes()
    return MAGIC + struct.pack("<I", len(header)) + header + payload


def decode(content: bytes, source: str) -> Container:
    """Read a container; ``source`` names it in errors.

    Raises:
        PrunemarkError: not such a container, another codec, or a payload that does not give the counts of its header.
    """
    if content[:4] != MAGIC or len(content) < 8:
        raise PrunemarkError(f"{source}: not a mask container: it must begin with {MAGIC!r}")
    (length,) = struct.unpack("<I", content[4:8])
    try:
        header = json.loads(content[8 : 8 + length])
        codec, layers, encoder = header["codec"], header["layers"], header["encoder"]
        if codec != CODEC:
            raise PrunemarkError(f"{source}: codec {codec!r}; allowed: {CODEC!r}")
        if sum(count_weights(*layer) for layer in layers) > MOST_WEIGHTS:
            raise ValueError(f"more than {MOST_WEIGHTS} weights")
        coder = constriction.stream.stack.AnsCoder(np.frombuffer(content[8 + length :], dtype="<u4").astype(np.uint32))
        mask = {layer[0]: decode_layer(coder, *layer) for layer in layers}
        if not coder.is_empty():
            raise ValueError("something is left after the last weight")
    except (ValueError, KeyError, TypeError) as error:
        raise PrunemarkError(f"{source}: damaged mask container ({error})") from None
    return Container(mask, encoder)


def count_weights(name: str, shape: list[int], kept: int) -> int:
    if not all(type(number) is int and number >= 0 for number in (*shape, kept)) or kept > prod(shape):
        raise ValueError(f"{name}: shape {shape}, kept {kept}")
    return prod(shape)


def decode_layer(coder: Any, name: str, shape: list[int], kept: int) -> Tensor:
    n = prod(shape)
    model = bernoulli(n, kept)
    flat = np.full(n, kept > 0) if model is None else coder.decode(model, n).astype(bool)
    if int(flat.sum()) != kept:
        raise ValueError(f"{name} keeps {int(flat.sum())} weights, its header says {kept}")
    return torch.from_numpy(flat).view(shape)


def bernoulli(n: int, kept: int) -> Any:
    """The model of ``n`` entries of a weight, or ``None`` where all are equal and cost nothing."""
    return None if kept in (0, n) else constriction.stream.model.Bernoulli(kept / n, perfect=False)
