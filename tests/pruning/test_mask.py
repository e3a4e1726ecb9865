"""Rate to mask to bytes: exact counts, nested masks, a container near the entropy, and faults that do not pass."""

from __future__ import annotations

import copy
import itertools
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

from prunemark import registry
from prunemark.disk.files import sha256_file, write_bytes, write_json
from prunemark.disk.tensors import write_encoder
from prunemark.errors import PrunemarkError
from prunemark.methods.objectives import simclr
from prunemark.model.encoder import Architecture, Encoder, snap, state, state_bytes, weights
from prunemark.model.randomness import draw_parameters, generator
from prunemark.plan.params import canonical_rate
from prunemark.pruning.batches import Batches
from prunemark.pruning.mask import Mask, apply, decode, encode, entropy_bytes, masks_from_scores, pruned_count
from prunemark.pruning.scopes import PATTERNS, SCOPES
from prunemark.stages.prune import sparsity
from prunemark.stages.pruned_encoder import read_pruned

PRUNERS = registry.names("pruners")
FREE = ("global", "layer", "row")
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


def score(pruner: str, encoder: Encoder) -> dict[str, Tensor]:
    images = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8, generator=generator("test images"))
    objective = simclr.build(encoder.features, generator("test objective"), **simclr.SETTINGS).eval()
    batches, source = Batches(images, 4, objective, simclr.VIEWS), generator("test scores")
    found: dict[str, Tensor] = registry.load("pruners", pruner).scores(
        encoder, batches, source, **registry.complete("pruners", pruner, {})
    )
    return found


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return draw_encoder(4)


@pytest.fixture(scope="module")
def scored(encoder: Encoder) -> Callable[[str], dict[str, Tensor]]:
    return {name: score(name, encoder) for name in PRUNERS}.__getitem__


def compared(mask: Mask, scope: str) -> list[Tensor]:
    """The kept flags of what loses the rate to the nearest weight."""
    if scope == "global":
        return [torch.cat([part.flatten() for part in mask.values()])]
    return [part.flatten() for part in mask.values()]


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


@pytest.mark.parametrize("scope", FREE)
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
        groups = compared(mask, scope)
        for group in groups:
            assert abs(int((~group).sum()) - Decimal(rate) * len(group)) <= Decimal("0.5")
        described = sparsity(mask, rate)
        assert described.removed == removed(mask)
        assert described.total == total
        assert abs(described.achieved - float(rate)) <= len(groups) / total
        assert {name: layer.removed for name, layer in described.layers.items()} == {
            name: int((~mask[name]).sum()) for name in mask
        }
        before = mask


@pytest.mark.parametrize("scope", ["global", "layer"])
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
    assert str(caught.value) == "scope: 'locl' is not allowed: global, layer, row, 2:4, 4:8"
    for rate, scope in itertools.product(("1", "1.2", "-0.1", "nan", "inf", "half", ""), FREE):
        with pytest.raises(PrunemarkError) as caught:
            masks_from_scores({"a": torch.ones(4, 4)}, rate, scope)
        assert str(caught.value) == f"rate: {rate!r} is not allowed: a number of at least 0 and below 1"


@pytest.mark.parametrize("scope", PATTERNS)
def test_a_pattern_reaches_its_rate_and_none(scope: str) -> None:
    scores = {"a": torch.rand(3, 8, generator=generator("test scores"))}
    assert masks_from_scores(scores, "0", scope)["a"].all()
    assert masks_from_scores(scores, "0.5", scope)["a"].sum() == 12
    for rate in ("0.25", "0.4999999999999999", "0.50001", "0.9"):
        with pytest.raises(PrunemarkError) as caught:
            masks_from_scores(scores, rate, scope)
        assert str(caught.value) == f"rate {rate} cannot be met: {scope} reaches 0 and 0.5, nothing between"
    for rate in ("1.2", "nan", "half", ""):
        with pytest.raises(PrunemarkError, match=r"^rate:? [^\n]*$"):
            masks_from_scores(scores, rate, scope)


def kept(scores: list, shape: tuple[int, ...], scope: str) -> list[int]:
    """The mask at rate 0.5, flat."""
    tensor = torch.tensor(scores, dtype=torch.float32).view(shape)
    return masks_from_scores({"a": tensor}, "0.5", scope)["a"].int().flatten().tolist()


def test_a_row_is_an_output_channel() -> None:
    """Of the four small and four large scores, each row loses its two smallest; of two rows of three, one loses two."""
    assert kept([1, 2, 3, 4, 8, 7, 6, 5], (2, 4), "row") == [0, 0, 1, 1, 1, 1, 0, 0]
    assert kept([1, 2, 3, 4, 8, 7, 6, 5], (2, 4), "layer") == [0, 0, 0, 0, 1, 1, 1, 1]
    assert kept([1, 2, 3, 4, 8, 7, 6, 5], (2, 2, 1, 2), "row") == [0, 0, 1, 1, 1, 1, 0, 0]
    assert kept([3, 1, 2, 4, 6, 5], (2, 3), "row") == [1, 0, 0, 0, 1, 1]


def test_two_of_four_neighbours_along_the_inputs() -> None:
    """Neighbours in memory are kernel places, (in, kw) = (4, 2) here: the four of a place lie two apart."""
    assert kept([1, 2, 3, 4, 8, 7, 6, 5], (1, 8), "2:4") == [0, 0, 1, 1, 1, 1, 0, 0]
    assert kept([1, 8, 2, 7, 3, 6, 4, 5], (1, 4, 1, 2), "2:4") == [0, 1, 0, 1, 1, 0, 1, 0]
    assert kept([1, 8, 2, 7, 3, 6, 4, 5], (1, 4, 2, 1), "2:4") == [0, 1, 0, 1, 1, 0, 1, 0]


def test_four_of_eight_neighbours_along_the_inputs() -> None:
    """(in, kw) = (4, 2): the row is all inputs of the first place, then all of the second."""
    assert kept([1, 2, 3, 4, 8, 7, 6, 5], (1, 8), "4:8") == [0, 0, 0, 0, 1, 1, 1, 1]
    scores = [1, 16, 2, 15, 3, 14, 4, 13, 12, 5, 11, 6, 10, 7, 9, 8]
    assert kept(scores, (1, 8, 1, 2), "4:8") == [0, 1] * 4 + [1, 0] * 4
    assert kept(scores, (1, 8, 1, 2), "2:4") == [0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1]
    assert kept(scores, (2, 8), "4:8") == [0, 1] * 4 + [1, 0] * 4


def test_what_a_row_has_over_is_ranked_together_by_layer() -> None:
    """Rows of 5 and 6 have 1 and 2 over; rows of 3 are left over whole; one weight alone rounds to the even count."""
    assert kept([1, 2, 3, 4, 9, 4, 3, 2, 1, 8], (2, 5), "2:4") == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert kept([1, 2, 3, 4, 9, 8, 4, 3, 2, 1, 6, 7], (2, 6), "2:4") == [0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert kept([6, 1, 5, 2, 3, 4], (2, 3), "2:4") == [1, 0, 1, 0, 0, 1]
    assert kept([1, 2, 3, 4, 0], (1, 5), "2:4") == [0, 0, 1, 1, 1]


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 3), st.integers(0, 3), st.integers(0, 2**31))
def test_masks_by_row_are_those_of_a_sort_and_nested(out: int, into: int, side: int, most: int, seed: int) -> None:
    scores = torch.randint(0, most + 1, (out, into, side, side), generator=torch.Generator().manual_seed(seed))
    before = torch.ones_like(scores, dtype=torch.bool)
    for rate in RATES:
        mask = masks_from_scores({"a": scores.float()}, rate, "row")["a"]
        # One weight after the other, from a row that has lost the fewest: there the lowest score.
        left = [sorted((value, place) for place, value in enumerate(row)) for row in scores.flatten(1).tolist()]
        for _ in range(round(Fraction(rate) * scores.numel())):
            fullest = max(map(len, left))
            min((row for row in left if len(row) == fullest), key=lambda row: row[0][0]).pop(0)
        places = [{place for _, place in row} for row in left]
        assert mask.flatten(1).tolist() == [[i in row for i in range(into * side * side)] for row in places]
        assert (before | ~mask).all()
        before = mask


@settings(max_examples=50)
@given(
    st.integers(1, 4), st.integers(1, 17), st.integers(1, 3), st.sampled_from(sorted(PATTERNS)), st.integers(0, 2**31)
)
def test_patterns_are_those_of_a_sort(out: int, into: int, side: int, scope: str, seed: int) -> None:
    scores = torch.randint(0, 9, (out, into, side, 2), generator=torch.Generator().manual_seed(seed)).float()
    mask = masks_from_scores({"a": scores}, "0.5", scope)["a"]
    size = {"2:4": 4, "4:8": 8}[scope]
    groups, left_over = [], []
    for o in range(out):
        row = [(o, i, y, x) for y in range(side) for x in range(2) for i in range(into)]
        whole = len(row) - len(row) % size
        groups += [row[start : start + size] for start in range(0, whole, size)]
        left_over += row[whole:]
    for group in [*groups, left_over]:
        order = sorted(group, key=lambda place: float(scores[place]))
        gone = order[: round(Fraction(len(group), 2))]
        assert [place for place in order if not mask[place]] == gone


@pytest.mark.parametrize("scope", SCOPES)
def test_how_scores_lie_in_memory_does_not_matter(scope: str) -> None:
    scores = {"a": torch.rand(8, 8, 3, 3, generator=generator("test scores"))}
    there = {"a": scores["a"].to(memory_format=torch.channels_last)}
    assert there["a"].stride() != scores["a"].stride()
    first, again = (masks_from_scores(part, "0.5", scope) for part in (scores, there))
    assert equal(first, again)
    assert encode(first, SHA) == encode(again, SHA)


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
    scores = score(pruner, large)
    for rate in ("0", "0.01", "0.1", "0.5", "0.9", "0.99", "0.999"):
        for scope in SCOPES if rate in ("0", "0.5") else FREE:
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
        (b'"layers"', b'"layer"'),
        (b'"encoder"', b'"encoded"'),
        (b'"layers":[', b'"layers":7,"x":['),
        (b'"layers":[', b'"layers":[7,'),
        (b'"layers":[', b'"layers":[[],'),
        (b'"layers":[', b'"layers":[["a",[1],1,1],'),
        (b'"codec":"', b'"codec":["'),
        (b'weight",[', b'weight",[-'),
        (b'weight",[', b'weight",[0.'),
        (b'weight",[', b'weight",[9999999999999,'),
        (b"],", b"],9"),
        (b"],", b"],-"),
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
    other = content.replace(b"bernoulli/2", b"bernoulli/1")
    with pytest.raises(PrunemarkError, match=r"^mask\.pmk: codec 'constriction-ans-bernoulli/1'; allowed: '[^ ]*/2'$"):
        decode(other, "mask.pmk")


def write_mask(folder: Path, content: bytes) -> None:
    write_bytes(folder / "mask.pmk", content)
    nothing = {"schema": 2, "stage": "prune", "command": "", "parameters": {}, "seed": None, "inputs": {}, "code": {}}
    write_json(folder / "receipt.json", nothing | {"outputs": {"pruned/mask.pmk": ""}})


@pytest.mark.parametrize("pruner", PRUNERS)
def test_rate_zero_is_a_bitwise_no_op_through_the_files(
    pruner: str, encoder: Encoder, scored: Callable[[str], dict[str, Tensor]], tmp_path: Path
) -> None:
    write_encoder(tmp_path / "encoder.safetensors", encoder)
    mask = masks_from_scores(scored(pruner), "0", "global")
    write_mask(tmp_path / "pruned", encode(mask, sha256_file(tmp_path / "encoder.safetensors")))
    for pruned in (tmp_path / "pruned", None):
        found = read_pruned(tmp_path, pruned)
        assert state_bytes(found.served) == state_bytes(found.held) == state_bytes(encoder)


def test_a_mask_made_for_other_bytes_is_refused(encoder: Encoder, tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder.safetensors", encoder)
    sha256 = sha256_file(tmp_path / "encoder.safetensors")
    mask = masks_from_scores(
        {name: weight.detach().abs() for name, weight in weights(encoder).items()}, "0.5", "global"
    )
    write_mask(tmp_path / "pruned", encode(mask, sha256))
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
