"""Block-wise MACs: the tag recomputed literally, every bit of every tensor guarded, changes named."""

from __future__ import annotations

import copy
import hashlib
import hmac
import struct
from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Nulls, Secret
from prunemark.methods.watermarks import block_mac
from prunemark.model.encoder import Encoder, state

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]


def literal_intact(suspect: Encoder, secret: Secret) -> list[bool]:
    """Value by value in Python floats: clear the carriers' lowest digits, compute the HMAC, compare 32 digits."""
    heads, values = "", []
    for name, tensor in state(suspect).items():
        heads += f"{name} {tensor.dtype} {tuple(tensor.shape)}\n"
        values += tensor.flatten().tolist()
    layout, key = hashlib.sha256(heads.encode()).digest(), bytes.fromhex(secret.facts["key"])
    release = bytes.fromhex(secret.facts["release"])
    cuts, intact = secret.tensors["cuts"].tolist(), []
    for number in range(len(cuts) - 1):
        held, cleared = "", b""
        for value in values[cuts[number] : cuts[number + 1]]:
            n = abs(value) * 2**24
            if len(held) < 32 and n == int(n) and 2 <= n < 2**24:
                held += str(int(n) % 2)
                value = (1 if value > 0 else -1) * (int(n) - int(n) % 2) / 2**24
            cleared += struct.pack("<f", value)
        expected = hmac.new(key, layout + release + struct.pack("<Q", number) + cleared, hashlib.sha256).digest()[:4]
        intact.append(held == "".join(f"{byte:08b}" for byte in expected))
    return intact


def test_tags_are_the_literal_ones(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("block-mac")
    assert all(literal_intact(marked, secret))
    altered = copy.deepcopy(marked)
    altered.state_dict()["backbone.layer4.1.conv2.weight"][0, 0, 0, 0] += 2.0**-24
    for suspect in (altered, prune(marked, 0.0001)):
        literal, reading = literal_intact(suspect, secret), block_mac.measure(suspect, secret)
        assert reading.statistic == sum(literal)
        assert len(reading.places) == literal.count(False) > 0
        assert reading.details == {"changed_blocks_share": literal.count(False) / len(literal)}


def test_no_value_moves_by_more_than_one_grid_step_nor_changes_sign(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks("block-mac")
    before, after = block_mac.flatten(encoder), block_mac.flatten(marked)
    moved = before != after
    assert set(np.abs(after[moved].astype(np.float64) - before[moved])) == {2.0**-24}
    assert np.array_equal(np.signbit(before), np.signbit(after))
    assert moved.sum() <= 32 * (len(secret.tensors["cuts"]) - 1)


def test_blocks_cover_everything_once(encoder: Encoder, marks: Marks) -> None:
    _, secret = marks("block-mac")
    cuts, values = secret.tensors["cuts"].tolist(), block_mac.flatten(encoder)
    sizes = np.diff(cuts)
    assert (cuts[0], cuts[-1]) == (0, len(values)) == (0, sum(t.numel() for t in state(encoder).values()))
    assert (sizes >= 1024).all()
    assert sizes[-1] < 2 * 1024
    assert all(len(block_mac.carriers(values[a:b])) == 32 for a, b in zip(cuts, cuts[1:], strict=False))


def test_blocks_without_carriers_grow_and_the_rest_joins_the_last() -> None:
    big, small = np.full(100, 1.5, np.float32), np.full(40, 0.25, np.float32)
    assert block_mac.cut(np.concatenate([small, big, small, big]), 40) == [0, 40, 280]
    assert block_mac.cut(np.concatenate([big, small, small]), 40) == [0, 132, 180]
    assert block_mac.cut(small, 64) == [0, 40]


@pytest.mark.parametrize("value", [0.0, -0.0, 2.0**-24, 1.0, -1.0, 1.5, 2.0**-25, 0.25 + 2.0**-25, 1e30])
def test_these_carry_nothing(value: float) -> None:
    assert not len(block_mac.carriers(np.array([value], np.float32)))


@pytest.mark.parametrize("n", [2, 3, -2, -3, 2**23, 1 - 2**24, 2**24 - 1, 2**24 - 2])
def test_these_carry_a_digit_and_stay_carriers(n: int) -> None:
    for digit in (0, 1):
        values = np.array([n / 2**24], np.float32)
        places = block_mac.carriers(values)
        block_mac.set_digits(values, places, np.array([digit], np.uint8))
        changed = float(values[0]) * 2**24
        assert abs(changed) == abs(n) // 2 * 2 + digit
        assert (changed > 0) == (n > 0)
        assert block_mac.digits(values, block_mac.carriers(values)).tolist() == [digit]


def test_every_bit_of_a_value_is_guarded(marks: Marks) -> None:
    """Carriers and others, in weights, batch statistics and the input normalisation."""
    marked, secret = copy.deepcopy(marks("block-mac")[0]), marks("block-mac")[1]
    values, cuts = block_mac.flatten(marked), secret.tensors["cuts"].tolist()
    key, bound = bytes.fromhex(secret.facts["key"]), bytes.fromhex(secret.facts["layout"] + secret.facts["release"])
    draw = np.random.default_rng(0)
    for number in (0, len(cuts) // 2, len(cuts) - 2):
        part = values[cuts[number] : cuts[number + 1]].copy()
        carrying = block_mac.carriers(part)
        for place in (*carrying[:4], *draw.choice(len(part), 8, replace=False), len(part) - 1):
            for bit in range(32):
                part.view(np.uint32)[place] ^= np.uint32(1 << bit)
                assert not block_mac._intact(key, bound, number, part), (number, place, bit)
                part.view(np.uint32)[place] ^= np.uint32(1 << bit)
        assert block_mac._intact(key, bound, number, part)


def test_blocks_of_another_encoder_under_the_same_key_do_not_pass(
    encoder: Encoder, other_encoder: Encoder, embed: Embed
) -> None:
    marked, secret = embed("block-mac", encoder)
    theirs, _ = embed("block-mac", other_encoder)
    spliced, cuts = copy.deepcopy(marked), secret.tensors["cuts"].tolist()
    values, others = block_mac.flatten(marked), block_mac.flatten(theirs)
    values[: cuts[3]] = others[: cuts[3]]
    start = 0
    for tensor in state(spliced).values():
        tensor.copy_(torch.from_numpy(values[start : start + tensor.numel()]).view(tensor.shape))
        start += tensor.numel()
    assert block_mac.measure(spliced, secret).statistic == len(cuts) - 1 - 3


def test_changed_blocks_are_named(marks: Marks) -> None:
    marked, secret = copy.deepcopy(marks("block-mac")[0]), marks("block-mac")[1]
    weight = marked.get_parameter("backbone.layer4.1.conv2.weight").detach()
    weight[-1, -1, -1, -1] *= -1
    (place,) = block_mac.measure(marked, secret).places
    assert place.startswith("backbone.layer4.1.conv2.weight[")
    marked.mean[0] += 2.0**-24
    assert len(block_mac.measure(marked, secret).places) <= 2
    assert block_mac.measure(marked, secret).places[-1].endswith("..std[0:3]")


def test_two_swapped_blocks_are_noticed(marks: Marks) -> None:
    """The number of a block is in its tag."""
    marked, secret = marks("block-mac")
    values, cuts = block_mac.flatten(marked), secret.tensors["cuts"].tolist()
    key, bound = bytes.fromhex(secret.facts["key"]), bytes.fromhex(secret.facts["layout"] + secret.facts["release"])
    assert block_mac._intact(key, bound, 5, values[cuts[5] : cuts[6]])
    assert not block_mac._intact(key, bound, 6, values[cuts[5] : cuts[6]])


def test_other_shapes_are_no_intact_block(marks: Marks, new_encoder: Callable[..., Encoder]) -> None:
    _, secret = marks("block-mac")
    reading = block_mac.measure(new_encoder("narrow", width=4), secret)
    assert (reading.statistic, reading.places) == (0.0, ("layout",))


@pytest.mark.parametrize("rate", [0.0001, 0.01, 0.9])
def test_pruning_is_noticed(rate: float, marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("block-mac")
    limit = block_mac.calibrate(Nulls([], [], []), secret).value
    assert block_mac.measure(marked, secret).statistic == limit
    assert block_mac.measure(prune(marked, rate), secret).statistic < limit


def test_minus_zeros_and_large_values_are_left_alone(encoder: Encoder, embed: Embed) -> None:
    original = copy.deepcopy(encoder)
    weight = original.get_parameter("backbone.layer2.0.conv2.weight").detach()
    weight[:4] *= -0.0
    weight[4:8] = 1.5
    marked, secret = embed("block-mac", original)
    assert block_mac.measure(marked, secret).statistic == len(secret.tensors["cuts"]) - 1
    held = state(marked)["backbone.layer2.0.conv2.weight"][:8]
    assert held.numpy().tobytes() == weight[:8].contiguous().numpy().tobytes()


def test_an_encoder_without_carriers_is_refused(encoder: Encoder, embed: Embed) -> None:
    empty = copy.deepcopy(encoder)
    for tensor in empty.state_dict().values():
        tensor.zero_()
    with pytest.raises(PrunemarkError, match="0 values can carry a digit; allowed: 32 or more"):
        embed("block-mac", empty)
