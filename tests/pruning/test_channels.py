"""Which channels go: by hand on small groups, and against a selection one by one for any scores, sizes and rate."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.pruning.channels import Group, keep_channels, ranked_together
from prunemark.pruning.mask import pruned_count
from prunemark.pruning.scopes import CHANNEL_SCOPES, channel_reach


def group(name: str, size: int, structure: str = "a") -> Group:
    return Group(size, (name,), (f"{name}.norm",), (f"{name}.reader",), (structure,))


def scored(**values: list[float]) -> dict[str, Tensor]:
    return {name: torch.tensor(part, dtype=torch.float64) for name, part in values.items()}


def flags(kept: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: part.int().tolist() for name, part in kept.items()}


THREE = [group("x", 4), group("y", 2, "b"), group("z", 4)]
SCORES = scored(x=[1, 8, 3, 4], y=[0, 0.5], z=[9, 2, 7, 6])


def test_what_the_scopes_rank_together() -> None:
    names = {scope: [[g.name for g in part] for part in ranked_together(THREE, scope)] for scope in CHANNEL_SCOPES}
    assert names == {
        "global": [["x", "y", "z"]],
        "layer": [["x"], ["y"], ["z"]],
        "isomorphic": [["x", "z"], ["y"]],
    }


@pytest.mark.parametrize(
    ("scope", "rate", "expected"),
    [
        ("global", "0", {"x": [1, 1, 1, 1], "y": [1, 1], "z": [1, 1, 1, 1]}),
        # The lowest four of ten are y0, (y1 is the best of its group), x0, z1 and x2.
        ("global", "0.4", {"x": [0, 1, 0, 1], "y": [0, 1], "z": [1, 0, 1, 1]}),
        ("global", "0.7", {"x": [0, 1, 0, 0], "y": [0, 1], "z": [1, 0, 0, 0]}),
        ("layer", "0.5", {"x": [0, 1, 0, 1], "y": [0, 1], "z": [1, 0, 1, 0]}),
        # Of x and z together the lowest four: x0, z1, x2 and x3.
        ("isomorphic", "0.5", {"x": [0, 1, 0, 0], "y": [0, 1], "z": [1, 0, 1, 1]}),
    ],
)
def test_selections_by_hand(scope: str, rate: str, expected: dict[str, list[int]]) -> None:
    assert flags(keep_channels(THREE, SCORES, rate, scope)) == expected


def test_equal_scores_go_in_order_and_one_stays() -> None:
    equal = scored(x=[5] * 4, y=[5] * 2, z=[5] * 4)
    kept = [flags(keep_channels(THREE, equal, rate, "global")) for rate in ("0.3", "0.5", "0.7")]
    assert kept[0] == {"x": [1, 0, 0, 0], "y": [1, 1], "z": [1, 1, 1, 1]}
    assert kept[1] == {"x": [1, 0, 0, 0], "y": [1, 0], "z": [1, 0, 1, 1]}
    assert kept[2] == {"x": [1, 0, 0, 0], "y": [1, 0], "z": [1, 0, 0, 0]}


def test_what_is_gone_already_goes_first_and_the_scores_are_left_alone() -> None:
    """Scores of minus infinity are how earlier rounds are kept: the best of what is left stays."""
    scores = scored(x=[9, -torch.inf, 8, -torch.inf], y=[1, 2], z=[9, 2, 7, 6])
    before = {name: part.clone() for name, part in scores.items()}
    assert flags(keep_channels(THREE, scores, "0.2", "global")) == {"x": [1, 0, 1, 0], "y": [1, 1], "z": [1, 1, 1, 1]}
    assert all(torch.equal(part, before[name]) for name, part in scores.items())


def one_by_one(found: list[Group], scores: dict[str, Tensor], rate: str) -> dict[str, list[int]]:
    """Remove the lowest of what is left, again and again, and nobody's best."""
    kept = {one.name: [1] * one.size for one in found}
    best = {one.name: max(range(one.size), key=lambda i, n=one.name: (scores[n][i], -i)) for one in found}
    for _ in range(pruned_count(rate, sum(one.size for one in found))):
        left = [
            (float(scores[one.name][i]), place, i)
            for place, one in enumerate(found)
            for i in range(one.size)
            if kept[one.name][i] and i != best[one.name]
        ]
        _, place, i = min(left)
        kept[found[place].name][i] = 0
    return kept


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=5), min_size=1, max_size=4),
    st.integers(0, 99),
)
def test_selections_are_those_of_removal_one_by_one(values: list[list[int]], percent: int) -> None:
    found = [group(f"g{i}", len(part)) for i, part in enumerate(values)]
    scores = scored(**{f"g{i}": [float(v) for v in part] for i, part in enumerate(values)})
    rate, total = f"{percent / 100}", sum(map(len, values))
    if percent * total > 100 * (total - len(values)):
        with pytest.raises(PrunemarkError, match="would empty a layer"):
            keep_channels(found, scores, rate, "global")
    else:
        kept = keep_channels(found, scores, rate, "global")
        assert flags(kept) == one_by_one(found, scores, rate)
        assert flags(keep_channels(found, scores, rate, "isomorphic")) == flags(kept)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ([4], "0.75"),
        ([4, 4, 2], "0.7"),
        ([3], "0.6666"),
        ([1, 1], "0"),
        ([64, 128, 256], "0.9933"),
        ([2**40], "0.9999"),
    ],
)
def test_the_reach_is_told_and_reached(sizes: list[int], text: str) -> None:
    channel_reach(sizes, text)
    with pytest.raises(PrunemarkError) as caught:
        channel_reach(sizes, "0.99999999999999999")
    expected = f"rate 0.99999999999999999 cannot be met: it would empty a layer; reachable: 0 to {text}"
    assert str(caught.value) == expected
    if sum(sizes) < 2**20:
        found = [group(f"g{i}", size) for i, size in enumerate(sizes)]
        kept = keep_channels(found, {one.name: torch.rand(one.size) for one in found}, text, "global")
        assert all(part.any() for part in kept.values())
        left = sum(int(part.sum()) for part in kept.values())
        assert abs(left - sum(sizes) * (1 - Decimal(text))) <= Decimal("0.5")


def test_refusals_are_one_line() -> None:
    broken = {**SCORES, "y": torch.tensor([1.0, torch.nan])}
    for scores, rate, scope, message in (
        (SCORES, "0.5", "row", "scope: 'row' is not allowed: global, layer, isomorphic"),
        (broken, "0.5", "global", "scores of y: NaN found; every score must be a number"),
        (SCORES, "0.6", "layer", "rate 0.6 cannot be met: it would empty a layer; reachable: 0 to 0.5"),
        (SCORES, "0.71", "global", "rate 0.71 cannot be met: it would empty a layer; reachable: 0 to 0.7"),
    ):
        with pytest.raises(PrunemarkError) as caught:
            keep_channels(THREE, scores, rate, scope)
        assert str(caught.value) == message


@pytest.mark.parametrize("rate", ["-0.1", "1", "1.5", "half", "nan"])
@pytest.mark.parametrize("scope", CHANNEL_SCOPES)
def test_rates_that_are_none(rate: str, scope: str) -> None:
    """As for weights: whatever else is wrong with it, a rate is a number of at least 0 and below 1."""
    with pytest.raises(PrunemarkError) as caught:
        keep_channels(THREE, SCORES, rate, scope)
    assert str(caught.value) == f"rate: {rate!r} is not allowed: a number of at least 0 and below 1"
