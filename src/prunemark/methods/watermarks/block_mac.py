"""Block-wise message authentication codes in the lowest digit of the weights: fragile, and tells where.

A stand-in for NeuNAC (Botta, Cavagnino and Esposito, "NeuNAC: A novel fragile watermarking algorithm for integrity
protection of neural networks", Information Sciences 576, 2021, https://doi.org/10.1016/j.ins.2021.06.073), whose text
was not read: a RECONSTRUCTION of what it is for, not of how. NeuNAC hides a message per block of parameters in their
low-order bytes, by a secret Karhunen-Loeve basis and a genetic search for changes that make the block verify.

All floats of the encoder, BN buffers and input normalisation included, are one vector, tensors in order of their names.
It is cut into blocks B_j of at least ``block`` values. With n = w * 2^24 on the grid, carriers are values of integer
2 <= |n| < 2^24 whose lowest digit may change without moving sign, magnitude class or exactness in float32:

    tag_j = first 32 bits of HMAC-SHA256(key, layout || release || j || bytes of B_j, the lowest digits of its first 32
            carriers cleared)
    embed: those digits, of |n|, <- tag_j;   a block is intact iff they still are tag_j

``layout`` is the SHA-256 of all names and shapes, and ``release`` that of all values before embedding, so that a block
of another encoder marked under the same key does not pass. Every bit of every value is in a tag or under it, so that a
change passes a block with probability 2^-32. No weight moves by more than 2^-24.

Deviations from NeuNAC: an HMAC in place of basis, pseudo-random message and genetic search; blocks run across tensors,
since a batch normalisation's 16 values carry no 32 bits; a block grows until it has 32 carriers, and what is left at
the end joins the last one. The cuts are part of the secret.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools

import numpy as np
import numpy.typing as npt
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret, Threshold
from prunemark.model.encoder import GRID, Encoder, state

KIND = "fragile"
LEVEL = "WEIGHTS"
KEYED = True
WRONG_KEYS = 20
SETTINGS = {"block": 1024}
LEAST = {"block": 32}

TAG_BITS = 32

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


def embed(
    encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, *, block: int
) -> tuple[Encoder, Secret]:
    """Write into every block of a copy of ``encoder`` the tag of its other digits.

    Args:
        encoder: on the 2^-24 grid; left untouched.
        key: 32 bytes.
        images, generator: not used.
        block: values per block, at least.

    Raises:
        PrunemarkError: the whole encoder has fewer than 32 carriers.
    """
    values = flatten(encoder)
    cuts = cut(values, block)
    layout, release = layout_of(encoder), hashlib.sha256(values.astype("<f4").tobytes()).digest()
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        part = values[start:stop]
        places = carriers(part)
        set_digits(part, places, tag(key, layout + release, number, part, places))
    marked = copy.deepcopy(encoder)
    tensors, start = marked.state_dict(), 0
    for name, old in state(encoder).items():
        part = values[start : start + old.numel()]
        tensors[name].copy_(torch.from_numpy(part).view(old.shape))
        start += old.numel()
    facts = {"key": key.hex(), "layout": layout.hex(), "release": release.hex()}
    return marked, Secret({"cuts": torch.tensor(cuts)}, facts)


def flatten(encoder: Encoder) -> Floats:
    """All floats of the encoder, float32, as a new vector."""
    return np.concatenate([tensor.numpy().ravel() for tensor in state(encoder).values()])


def layout_of(encoder: Encoder) -> bytes:
    """SHA-256 of the names, types and shapes of all tensors, in order."""
    heads = (f"{name} {tensor.dtype} {tuple(tensor.shape)}\n" for name, tensor in state(encoder).items())
    return hashlib.sha256("".join(heads).encode()).digest()


def cut(values: Floats, block: int) -> list[int]:
    """Where blocks begin, and the end: each has at least ``block`` values and 32 carriers, the last may be longer.

    Raises:
        PrunemarkError: fewer than 32 carriers in all.
    """
    able = np.concatenate([[0], _able(values).cumsum()])
    if able[-1] < TAG_BITS:
        raise PrunemarkError(f"block-mac: {able[-1]} values can carry a digit; allowed: {TAG_BITS} or more")
    cuts = [0]
    while True:
        enough = int(np.searchsorted(able, able[cuts[-1]] + TAG_BITS))
        stop = max(cuts[-1] + block, enough)
        if stop > len(values):
            break
        cuts.append(stop)
    return [*cuts[: max(1, len(cuts) - 1)], len(values)]


def _able(values: Floats) -> npt.NDArray[np.bool_]:
    """Which values are integers n on the grid with 2 <= |n| < 2^24; clearing or setting the lowest digit of |n| changes
    none of this, nor the sign."""
    with np.errstate(invalid="ignore"):  # a signalling NaN, one flipped bit away from others, warns when it is cast
        size = np.abs(values.astype(np.float64)) * GRID
    return np.asarray((size >= 2) & (size < GRID) & (size == np.floor(size)))


def carriers(values: Floats) -> Places:
    """Places of the first 32 carriers of a block, fewer where an altered block has fewer."""
    return np.flatnonzero(_able(values))[:TAG_BITS]


def digits(values: Floats, places: Places) -> npt.NDArray[np.uint8]:
    """The lowest digit of |n| of the carriers, uint8 in {0, 1}."""
    return (np.abs(values[places].astype(np.float64)) * GRID % 2).astype(np.uint8)


def set_digits(values: Floats, places: Places, new: npt.NDArray[np.uint8]) -> None:
    """Write the lowest digit of |n| of the carriers, in place."""
    change = new.astype(np.float64) - digits(values, places)
    old = values[places].astype(np.float64)
    values[places] = (old + np.sign(old) * change / GRID).astype(np.float32)


def tag(key: bytes, bound: bytes, number: int, values: Floats, places: Places) -> npt.NDArray[np.uint8]:
    """uint8 (32,) in {0, 1}: what the carriers of block ``number`` must hold; ``bound`` is layout and release."""
    cleared = values.copy()
    set_digits(cleared, places, np.zeros(len(places), np.uint8))
    content = bound + number.to_bytes(8, "little") + cleared.astype("<f4").tobytes()
    return np.unpackbits(np.frombuffer(hmac.digest(key, content, hashlib.sha256), np.uint8))[:TAG_BITS]


def impostor(secret: Secret, key: bytes) -> Secret:
    """The same cuts under another key."""
    return Secret(secret.tensors, {**secret.facts, "key": key.hex()})


def measure(suspect: Encoder, secret: Secret) -> Reading:
    """The number of intact blocks; ``places`` names the others. 0 if the encoder has other tensors or shapes."""
    key, layout = bytes.fromhex(secret.facts["key"]), layout_of(suspect)
    blocks = list(itertools.pairwise(secret.tensors["cuts"].tolist()))
    if layout.hex() != secret.facts["layout"]:
        return Reading(0.0, trials=len(blocks), details={"changed_blocks_share": 1.0}, places=("layout",))
    values, names = flatten(suspect), _names(suspect)
    bound = layout + bytes.fromhex(secret.facts["release"])
    places = tuple(
        _place(names, start, stop)
        for number, (start, stop) in enumerate(blocks)
        if not _intact(key, bound, number, values[start:stop])
    )
    share = len(places) / len(blocks)
    return Reading(float(len(blocks) - len(places)), None, len(blocks), {"changed_blocks_share": share}, places)


def _intact(key: bytes, bound: bytes, number: int, values: Floats) -> bool:
    places = carriers(values)
    return np.array_equal(digits(values, places), tag(key, bound, number, values, places))


def _names(encoder: Encoder) -> list[tuple[int, int, str]]:
    """Start and end in the vector, and name, of every tensor."""
    names, start = [], 0
    for name, tensor in state(encoder).items():
        names.append((start, start + tensor.numel(), name))
        start += tensor.numel()
    return names


def _place(names: list[tuple[int, int, str]], start: int, stop: int) -> str:
    """Name of the values from ``start`` to ``stop``: ``layer.weight[0:1024]``, or the first and the last such part."""
    parts = [(max(start, a) - a, min(stop, b) - a, name) for a, b, name in names if a < stop and b > start]
    ends = parts if len(parts) == 1 else [parts[0], parts[-1]]
    return "..".join(f"{name}[{first}:{last}]" for first, last, name in ends)


def calibrate(nulls: Nulls, secret: Secret) -> Threshold:
    """All blocks: one that differs is an altered encoder."""
    return Threshold(float(len(secret.tensors["cuts"]) - 1))
