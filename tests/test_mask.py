"""Rate to mask to bytes: exact counts, nested masks, a container near the entropy, and faults that do not pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prunemark import methods
from prunemark.encoder import Architecture, Encoder, snap, state, state_bytes, weights
from prunemark.errors import PrunemarkError
from prunemark.files import write_bytes
from prunemark.mask import Mask, apply, decode, encode, entropy_bytes, masks_from_scores, pruned_count
from prunemark.params import canonical_rate
from prunemark.randomness import draw_parameters, generator
from prunemark.record import sha256_file
from prunemark.stages.prune import read_pruned, sparsity
from prunemark.store import write_encoder

PRUNERS = methods.names("pruners")
SCOPES = ("global", "layer")
RATES = ("0", "0.01", "0.1", "0.3333333333333333", "0.5", "0.9", "0.95", "0.99", "0.999", "0.9999999")
SHA = "ab" * 32


def draw_encoder(width: int) -> Encoder:
    source = generator("test mask", width)
    encoder = draw_parameters(Encoder(Architecture("resnet18", width, 16)), source)
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None
                part.running_mean.normal_(0, 0.1, generator=source)
    return snap(encoder.eval())


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return draw_encoder(4)


@pytest.fixture(scope="module")
def scored(encoder: Encoder) -> Callable[[str], dict[str, Tensor]]:
    images = torch.randint(0, 256, (32, 16, 16, 3), dtype=torch.uint8, generator=generator("test images"))
    found = {
        name: methods.load("pruners", name).scores(
            encoder, images, generator("test scores"), **methods.complete("pruners", name, {})
        )
        for name in PRUNERS
    }
    return found.__getitem__


def removed(mask: Mask) -> int:
    return sum(int((~part).sum()) for part in mask.values())


def equal(a: Mask, b: Mask) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 2**31))
def test_the_count_is_the_nearest_integer_exactly(rate: float, total: int) -> None:
    text = canonical_rate(rate)
    assert pruned_count(text, total) == round(Fraction(text) * total)


@pytest.mark.parametrize(
    ("rate", "total", "expected"),
    [
        ("0.3", 5, 2),
        ("0.5", 5, 2),
        ("0.7", 5, 4),
        ("0.29", 100, 29),
        ("0.57", 100, 57),
        ("0.95", 11_000_001, 10_450_001),
    ],
)
def test_the_count_where_binary_fractions_or_halves_mislead(rate: str, total: int, expected: int) -> None:
    assert pruned_count(rate, total) == expected


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("pruner", PRUNERS)
def test_masks_are_nested_and_as_large_as_asked(
    pruner: str, scope: str, encoder: Encoder, scored: Callable[[str], dict[str, Tensor]]
) -> None:
    scores = scored(pruner)
    total = sum(weight.numel() for weight in weights(encoder).values())
    before = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights(encoder).items()}
    for rate in RATES:
        mask = masks_from_scores(scores, rate, scope)
        assert all((before[name] | ~mask[name]).all() for name in before)
        groups = [removed(mask)], [total]
        if scope == "layer":
            groups = [int((~part).sum()) for part in mask.values()], [part.numel() for part in mask.values()]
        for count, size in zip(*groups, strict=True):
            assert abs(count - Decimal(rate) * size) <= Decimal("0.5")
        described = sparsity(encoder, mask, rate)
        assert described["removed"] == removed(mask)
        assert described["total"] == total
        assert abs(described["achieved"] - float(rate)) <= (1 if scope == "global" else len(mask)) / total
        assert {name: layer["removed"] for name, layer in described["layers"].items()} == {
            name: int((~mask[name]).sum()) for name in mask
        }
        before = mask


@pytest.mark.parametrize("scope", SCOPES)
def test_the_lowest_scores_go(scope: str) -> None:
    scores = {"b": torch.tensor([[4.0, 1.0], [3.0, 2.0]]), "a": torch.tensor([0.5, 9.0, 8.0, 7.0])}
    mask = masks_from_scores(scores, "0.5", scope)
    expected = {
        "global": {"a": [False, True, True, True], "b": [[True, False], [False, False]]},
        "layer": {"a": [False, True, True, False], "b": [[True, False], [True, False]]},
    }
    assert {name: part.tolist() for name, part in mask.items()} == expected[scope]


@given(st.data())
def test_the_mask_is_that_of_a_sort_by_score_name_and_position(data: st.DataObject) -> None:
    sizes = data.draw(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 12), min_size=1))
    scores = {
        name: torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), dtype=torch.float32)
        for name, size in sizes.items()
    }
    rate = data.draw(st.sampled_from(RATES))
    order = sorted((float(score), name, i) for name, part in scores.items() for i, score in enumerate(part))
    expected = {(name, i) for _, name, i in order[: round(Fraction(rate) * len(order))]}
    mask = masks_from_scores(scores, rate, "global")
    assert {(name, i) for name, part in mask.items() for i, kept in enumerate(part) if not kept} == expected


def test_equal_scores_go_in_order_and_always_the_same() -> None:
    scores = {"b": torch.zeros(1000), "a": torch.zeros(10, 100)}
    first, again = (masks_from_scores(scores, "0.7", "global") for _ in range(2))
    assert equal(first, again)
    assert not first["a"].any()
    assert first["b"].tolist() == [False] * 400 + [True] * 600


def test_infinite_scores_are_numbers_and_nan_is_none() -> None:
    mask = masks_from_scores({"a": torch.tensor([float("inf"), float("-inf"), 0.0])}, "0.3", "global")
    assert mask["a"].tolist() == [True, False, True]
    with pytest.raises(PrunemarkError) as caught:
        masks_from_scores({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")])}, "0", "layer")
    assert str(caught.value) == "scores of b: NaN found; every score must be a number"


def test_a_scope_or_rate_that_does_not_exist() -> None:
    with pytest.raises(PrunemarkError) as caught:
        masks_from_scores({"a": torch.ones(4)}, "0.5", "locl")
    assert str(caught.value) == "scope: 'locl' is not allowed: global or layer"
    for rate in ("1", "1.2", "-0.1", "nan", "inf", "half", ""):
        with pytest.raises(PrunemarkError) as caught:
            masks_from_scores({"a": torch.ones(4)}, rate, "global")
        assert str(caught.value) == f"rate: {rate!r} is not allowed: a number of at least 0 and below 1"


def test_applying_sets_zeros_and_leaves_the_rest(encoder: Encoder) -> None:
    negative = copy.deepcopy(encoder)
    with torch.no_grad():
        for weight in weights(negative).values():
            weight.copy_(-weight.abs())
            weight[-1, -1] = -0.0
    mask = masks_from_scores({n: w.detach().abs() for n, w in weights(negative).items()}, "0.6", "layer")
    before = {name: tensor.clone() for name, tensor in state(negative).items()}
    pruned = apply(negative, mask)
    assert pruned is negative
    for name, tensor in state(pruned).items():
        if name in mask:
            assert tensor[mask[name]].numpy().tobytes() == before[name][mask[name]].numpy().tobytes()
            assert not tensor[~mask[name]].view(torch.int32).any()
        else:
            assert tensor.numpy().tobytes() == before[name].numpy().tobytes()
    assert all(parameter.requires_grad for parameter in pruned.parameters())


def test_a_mask_of_another_encoder_does_not_apply(encoder: Encoder) -> None:
    mask = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights(encoder).items()}
    less = dict(list(mask.items())[1:])
    other = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights(draw_encoder(8)).items()}
    before = state_bytes(encoder)
    for wrong in (less, other, mask | {"more": torch.ones(1, dtype=torch.bool)}):
        with pytest.raises(
            PrunemarkError, match=r"^mask: its weights are not those of the encoder, by name and shape$"
        ):
            apply(encoder, wrong)
    assert state_bytes(encoder) == before


masks = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.lists(st.integers(1, 9), min_size=1, max_size=4).flatmap(
        lambda shape: st.one_of(
            st.just(torch.zeros(shape, dtype=torch.bool)),
            st.just(torch.ones(shape, dtype=torch.bool)),
            st.tuples(st.floats(0, 1), st.integers(0, 2**31)).map(
                lambda how: torch.rand(shape, generator=torch.Generator().manual_seed(how[1])) < how[0]
            ),
        )
    ),
    max_size=6,
)


@settings(max_examples=200)
@given(masks)
def test_container_round_trip(mask: Mask) -> None:
    content = encode(mask, SHA)
    found = decode(content, "a file")
    assert equal(found.mask, mask)
    assert found.encoder_sha256 == SHA
    assert all(part.dtype == torch.bool for part in found.mask.values())
    assert encode(dict(reversed(mask.items())), SHA) == content


@given(masks)
def test_the_entropy_is_that_of_its_formula(mask: Mask) -> None:
    bits = 0.0
    for part in mask.values():
        share = part.double().mean().item()
        bits -= part.numel() * sum(p * np.log2(p) for p in (share, 1 - share) if p > 0)
    assert entropy_bytes(mask) == pytest.approx(bits / 8, abs=1e-6)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_the_container_is_near_the_entropy(pruner: str) -> None:
    large = draw_encoder(16)
    images = torch.zeros(4, 16, 16, 3, dtype=torch.uint8)
    settings = methods.complete("pruners", pruner, {})
    scores = methods.load("pruners", pruner).scores(large, images, generator("test scores"), **settings)
    for rate in ("0", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999"):
        for scope in SCOPES:
            mask = masks_from_scores(scores, rate, scope)
            size = len(encode(mask, SHA))
            assert entropy_bytes(mask) < size <= 1.15 * entropy_bytes(mask) + 4096, (rate, scope)


def container(encoder: Encoder, rate: str = "0.6") -> tuple[Mask, bytes]:
    """A random mask of some layers, so that the payload is short enough to flip every bit of it."""
    names = sorted(weights(encoder))[:3]
    scores = {name: torch.rand(weights(encoder)[name].shape, generator=generator("test", name)) for name in names}
    mask = masks_from_scores(scores, rate, "layer")
    mask[names[0]][:] = True
    return mask, encode(mask, SHA)


def test_a_flipped_bit_is_an_error_or_another_mask(encoder: Encoder) -> None:
    """The container has no checksum of its own: its file is hashed in the receipt. Here, no flip leaves the same."""
    mask, content = container(encoder)
    errors = 0
    for position in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        try:
            found = decode(bytes(damaged), "mask.pmk")
        except PrunemarkError as error:
            errors += 1
            assert str(error).startswith("mask.pmk: ")
            assert "\n" not in str(error)
        else:
            same = equal(found.mask, mask) and found.encoder_sha256 == SHA
            assert not same, f"bit {position} of {len(content) * 8}"
    assert errors > 0


def test_a_truncated_or_longer_container(encoder: Encoder) -> None:
    mask, content = container(encoder)
    damaged = [content[:length] for length in range(len(content))]
    damaged += [content + bytes(more) for more in (1, 2, 3, 4, 8)] + [content + b"\x01\x00\x00\x00"]
    for part in damaged:
        try:
            found = decode(part, "mask.pmk")
        except PrunemarkError as error:
            assert str(error).startswith("mask.pmk: ")
            assert "\n" not in str(error)
        else:
            assert not equal(found.mask, mask), len(part)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kept"', b'"kepd"'),
        (b'"shape"', b'"shapd"'),
        (b'"encoder"', b'"encoded"'),
        (b'"layers": [', b'"layers": 7,"x": ['),
        (b'"codec": "', b'"codec": ["'),
        (b'"shape": [', b'"shape": [-'),
        (b'"shape": [', b'"shape": [0.'),
        (b'"shape": [', b'"shape": [9999999999999, '),
        (b'"kept": ', b'"kept": 9'),
        (b'"kept": ', b'"kept": -'),
    ],
)
def test_a_header_that_makes_no_sense(old: bytes, new: bytes, encoder: Encoder) -> None:
    _, content = container(encoder)
    length = int.from_bytes(content[4:8], "little")
    header, payload = content[8 : 8 + length].replace(old, new), content[8 + length :]
    assert header != content[8 : 8 + length]
    with pytest.raises(PrunemarkError) as caught:
        decode(content[:4] + len(header).to_bytes(4, "little") + header + payload, "mask.pmk")
    assert str(caught.value).startswith("mask.pmk: ")
    assert "\n" not in str(caught.value)


def test_another_magic_or_codec(encoder: Encoder) -> None:
    _, content = container(encoder)
    for wrong in (b"", b"PMK", b"PMK1", b"PMK2" + content[4:], b"\x80\x04" + content):
        with pytest.raises(PrunemarkError, match=r"^mask\.pmk: not a mask container: it must begin with b'PMK1'$"):
            decode(wrong, "mask.pmk")
    other = content.replace(b"bernoulli/1", b"bernoulli/2")
    with pytest.raises(PrunemarkError, match=r"^mask\.pmk: codec 'constriction-ans-bernoulli/2'; allowed: '[^ ]*/1'$"):
        decode(other, "mask.pmk")


@pytest.mark.parametrize("pruner", PRUNERS)
def test_rate_zero_is_a_bitwise_no_op_through_the_files(
    pruner: str, encoder: Encoder, scored: Callable[[str], dict[str, Tensor]], tmp_path: Path
) -> None:
    write_encoder(tmp_path / "encoder.safetensors", encoder)
    mask = masks_from_scores(scored(pruner), "0", "global")
    write_bytes(tmp_path / "mask.pmk", encode(mask, sha256_file(tmp_path / "encoder.safetensors")))
    assert state_bytes(read_pruned(tmp_path, tmp_path)) == state_bytes(encoder)
    assert state_bytes(read_pruned(tmp_path, None)) == state_bytes(encoder)


def test_a_mask_made_for_other_bytes_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder.safetensors", encoder)
    sha256 = sha256_file(tmp_path / "encoder.safetensors")
    mask = masks_from_scores(
        {name: weight.detach().abs() for name, weight in weights(encoder).items()}, "0.5", "global"
    )
    write_bytes(tmp_path / "pruned" / "mask.pmk", encode(mask, sha256))
    read_pruned(tmp_path, tmp_path / "pruned")
    altered = copy.deepcopy(encoder)
    with torch.no_grad():
        altered.backbone.bn1.running_mean[0] += 1.0
    write_encoder(tmp_path / "encoder.safetensors", altered)
    with pytest.raises(PrunemarkError) as caught:
        read_pruned(tmp_path, tmp_path / "pruned")
    found = sha256_file(tmp_path / "encoder.safetensors")
    assert (
        str(caught.value) == f"{tmp_path / 'pruned/mask.pmk'}: made for an encoder of sha256 {sha256}, this is {found}"
    )
    (tmp_path / "pruned" / "mask.pmk").unlink()
    with pytest.raises(PrunemarkError) as caught:
        read_pruned(tmp_path, tmp_path / "pruned")
    assert str(caught.value) == f"{tmp_path / 'pruned/mask.pmk'}: no such file"
