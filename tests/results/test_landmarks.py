"""Knees and half-lives against closed forms, a scan by hand, and the rows that they come from."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.metrics.intervals import paired_difference
from prunemark.point import Point
from prunemark.results.landmarks import (
    COLUMNS,
    Landmark,
    crossing,
    half_life_of,
    knee,
    knee_of,
    landmarks,
    to_csv,
)
from prunemark.results.scores import share, single
from prunemark.results.table import summarise, table

RATES = [0.1, 0.3, 0.5, 0.7, 0.9]
PARAMS = {"pruners": {"magnitude": {}, "random": {}}, "structured": {"l1": {}}, "alterations": {"noise": {}}}
shares = st.lists(st.floats(0, 1), min_size=5, max_size=5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([0.0, 0.0, 0.0, 0.0, 0.0], 0.9),
        ([0.02, -0.01, -0.02, 0.0, 0.0], 0.3),
        ([-0.011, 0.5, 0.5, 0.5, 0.5], 0.0),
        ([0.75 - 0.76, 0.74 - 0.76, 0.0, 0.0, 0.0], 0.1),
    ],
    ids=["never", "what comes back does not count", "at once", "one point to the last bit"],
)
def test_the_knee_by_hand(changes: list[float], expected: float) -> None:
    assert knee(RATES, changes) == expected


@given(st.lists(st.floats(-0.05, 0.05), min_size=5, max_size=5))
def test_the_knee_is_the_last_rate_before_which_all_hold(changes: list[float]) -> None:
    kept = [rate for i, rate in enumerate(RATES) if min(changes[: i + 1]) >= -0.01 - 1e-9]
    assert knee(RATES, changes) == max(kept, default=0)


def test_the_half_life_of_a_straight_line_is_its_middle() -> None:
    """1 - r falls through one half at 0.5, and 1 - r^2 in the chord from 0.7 to 0.9, or at 0.7071 of a fine grid."""
    assert crossing(RATES, [1 - rate for rate in RATES]) == pytest.approx(0.5)
    chord = 0.7 + 0.2 * (0.51 - 0.5) / (0.51 - 0.19)
    assert crossing(RATES, [1 - rate**2 for rate in RATES]) == pytest.approx(chord)
    fine = np.linspace(0.001, 0.999, 2001).tolist()
    assert crossing(fine, [1 - rate**2 for rate in fine]) == pytest.approx(math.sqrt(0.5), abs=1e-6)


def test_half_lives_outside_the_rates_tried() -> None:
    assert crossing(RATES, [0.49, 1, 1, 1, 1]) == 0
    assert crossing(RATES, [1, 1, 1, 0.5, 0.5]) == math.inf
    assert crossing(RATES, [1, 0.5, 0.25, 1, 0]) == pytest.approx(0.3)


@given(shares)
def test_the_half_life_is_where_numpys_line_first_falls(values: list[float]) -> None:
    found = crossing(RATES, values)
    grid = np.linspace(RATES[0], RATES[-1], 4001)
    below = grid[np.interp(grid, RATES, values) < 0.5 - 1e-9]
    if found == 0:
        assert values[0] < 0.5
    elif math.isinf(found):
        assert min(values) >= 0.5 - 1e-9
    else:
        assert np.interp(found, RATES, values) == pytest.approx(0.5, abs=1e-8)
        assert not len(below) or below[0] >= found - 1e-3


@given(shares, shares, shares)
def test_a_half_life_lies_between_its_ends(a: list[float], b: list[float], c: list[float]) -> None:
    lows, values, highs = np.sort([a, b, c], axis=0).tolist()
    found = half_life_of(1.0, RATES, values, lows, highs)
    assert 0 <= found.low <= RATES[-1]
    assert found.high is None or RATES[0] <= found.high <= RATES[-1]
    if found.value is None:
        assert found.limit in ("never", "at once")
        assert (found.high is None) or found.limit == "at once"
    else:
        assert found.low <= found.value <= (found.high or RATES[-1])


def said(found: Landmark) -> tuple[float | None, float | None, float | None, str]:
    return found.value, found.low, found.high, found.limit


def test_half_lives_say_where_they_are_none() -> None:
    whole, none = [1.0] * 5, [0.0] * 5
    falling = [1.0, 1.0, 0.0, 0.0, 0.0]
    assert said(half_life_of(1, RATES, whole, falling, whole)) == (None, pytest.approx(0.4), None, "never")
    assert said(half_life_of(1, RATES, whole, whole, whole)) == (None, 0.9, None, "never")
    assert said(half_life_of(1, RATES, none, none, falling)) == (None, 0, pytest.approx(0.4), "at once")
    assert said(half_life_of(1, RATES, none, none, none)) == (None, 0, 0.1, "at once")
    assert said(half_life_of(0.4, RATES, whole, whole, whole)) == (None, None, None, "before")
    # One key alone: 1 of 1 is 0.21 to 1 and 0 of 1 is 0 to 0.79, so that nothing bounds where it fell.
    found = half_life_of(1, RATES, falling, [0.21, 0.21, 0, 0, 0], [1, 1, 0.79, 0.79, 0.79])
    assert said(found) == (pytest.approx(0.4), 0, None, "")


def test_a_knee_of_one_seed_lies_between_those_of_its_ends() -> None:
    changes = np.array([[0.0, -0.005, -0.009, -0.02, -0.3]])
    ends = (changes[0] - 0.008, changes[0] + 0.012)
    assert said(knee_of(RATES, changes, ends)) == (0.5, 0.1, 0.7, "")
    assert said(knee_of(RATES, np.zeros((1, 5)), (np.full(5, -0.02), np.zeros(5)))) == (0.9, 0, 0.9, "never")
    assert said(knee_of(RATES, np.full((1, 5), -0.1), ([-0.2] * 5, [0.0] * 5))) == (0, 0, 0.9, "at once")


def test_a_knee_of_few_seeds_has_the_range_of_their_knees() -> None:
    changes = np.array([[0, 0, -0.012, 0, 0], [0, 0, 0, -0.06, 0], [0, 0, 0, 0, -0.3]])
    assert said(knee_of(RATES, changes, ([], []))) == (0.5, 0.3, 0.7, "")
    # Means hold longer than either seed: the range is widened to hold the knee.
    apart = np.array([[-0.015, 0, 0, 0, 0], [0, -0.015, 0, 0, 0]])
    assert said(knee_of(RATES, apart, ([], []))) == (0.9, 0, 0.9, "never")


def test_a_knee_of_five_seeds_has_the_percentiles_of_resampled_seeds() -> None:
    """One seed of five falls by 4 points at 0.5: two or more of five draws take it with 26 %, which is above 2.5 %."""
    changes = np.zeros((5, 5))
    changes[:, 4] = -0.5
    changes[2, 2] = -0.04
    twice = 1 - 0.8**5 - 0.8**4
    assert twice == pytest.approx(0.263, abs=1e-3)
    assert said(knee_of(RATES, changes, ([], []))) == (0.7, 0.3, 0.7, "")
    changes[2, 2] = -0.0105
    # Now only five draws of the same seed do, with 0.03 %.
    assert said(knee_of(RATES, changes, ([], []))) == (0.7, 0.7, 0.7, "")


def cell(**changes: str) -> Point:
    return Point("cifar", "r18", "0", "uchida", "0", "magnitude", "0.5", "cifar")._replace(**changes)


def changed(broken: int, repaired: int, head: str = "frozen") -> dict[str, Any]:
    low, high = paired_difference(700 - broken, broken, repaired, 300 - repaired)
    return single("accuracy_change", "difference", (repaired - broken) / 1000, head=head, ci_low=low, ci_high=high)


def verified(k: int, n: int, metric: str = "VerSR", check: str = "uchida") -> dict[str, Any]:
    return share(metric, "keys", k, n, check=check)


def found_in(scored: list[tuple[Point, list[dict[str, Any]]]]) -> list[dict[str, str]]:
    rows = table(scored)
    text = to_csv(landmarks(rows, summarise(rows), PARAMS))
    assert text.startswith(",".join(COLUMNS) + "\n")
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_per_place_head_and_scheme() -> None:
    before = [verified(20, 20), verified(20, 20, "AuthSR", "digest")]
    scored = [(cell(pruner="original", rate="0"), before)]
    for rate, broken, k in (("0.5", 5, 20), ("0.1", 0, 20), ("0.9", 300, 0)):
        rows = [changed(broken, 0), changed(0, 5, "knn"), verified(k, 20), verified(0, 20, "AuthSR", "digest")]
        scored.append((cell(rate=rate), rows))
    found = found_in(scored)
    assert [(row["what"], row["head"], row["check"]) for row in found] == [
        ("knee", "frozen", ""), ("knee", "knn", ""), ("half-life", "", "uchida"), ("half-life", "", "digest"),
    ]  # fmt: skip
    frozen, knn, robust, fragile = found
    assert {row["dataset"] + row["encoder"] + row["watermark"] + row["pruner"] for row in found} == {
        "cifarr18uchidamagnitude"
    }
    assert {(row["schema"], row["seeds"]) for row in found} == {("1", "1")}
    # 5 of 1,000 broken: Newcombe's lower end is -0.0116, beyond 1 point, and its upper one -0.0021.
    assert (frozen["value"], frozen["low"], frozen["high"], frozen["note"]) == ("0.5", "0.1", "0.5", "")
    assert (knn["value"], knn["note"]) == ("0.9", "within 1 point up to 0.9, the largest rate tried")
    # From 20 of 20 to 0 of 20 between 0.5 and 0.9; Wilson's ends 0.839 and 1, then 0 and 0.161.
    ends = 0.5 + 0.4 * (0.8389 - 0.5) / 0.8389, 0.5 + 0.4 * 0.5 / (1 - 0.1611)
    assert [float(robust[name]) for name in ("value", "low", "high")] == pytest.approx([0.7, *ends], abs=1e-3)
    assert (fragile["value"], fragile["low"], fragile["high"]) == ("", "0", "0.1")
    assert fragile["note"] == "below 50 % at 0.1, the smallest rate tried"


def test_seeds_are_told_apart_and_their_keys_averaged() -> None:
    """Seed 0 loses 15 and 5 of 1,000 under its two keys, so 1 point; seed 1 loses 30."""
    losses = {("0", "0"): 15, ("0", "1"): 5, ("1", "0"): 30}
    scored = [(cell(seed=seed, key=key, rate="0.1"), [changed(lost, 0)]) for (seed, key), lost in losses.items()]
    (row,) = found_in(scored)
    assert (row["value"], row["low"], row["high"], row["seeds"]) == ("0", "0", "0.1", "2")
    assert row["note"] == "beyond 1 point at 0.1, the smallest rate tried"


def test_alterations_have_no_landmarks_and_structured_pruners_have() -> None:
    rows = [changed(0, 0), verified(1, 1)]
    ways = [cell(pruner=pruner) for pruner in ("noise", "random", "l1")]
    found = found_in([(cell(pruner="original", rate="0"), [verified(1, 1)]), *((way, rows) for way in ways)])
    assert [row["pruner"] for row in found] == ["random", "l1", "random", "l1"]


def test_what_one_trial_cannot_bound_is_said() -> None:
    """1 of 1 is 0.21 to 1 and 0 of 1 is 0 to 0.79: neither end of the half-life is bounded."""
    before = (cell(pruner="original", rate="0"), [verified(1, 1)])
    found = found_in([before, (cell(rate="0.1"), [verified(1, 1)]), (cell(rate="0.5"), [verified(0, 1)])])
    assert [(row["value"], row["low"], row["high"], row["note"]) for row in found] == [
        ("0.3", "0", "", "upper end at 50 % or above up to 0.5, the largest rate tried")
    ]


def test_a_mark_that_never_took_has_no_half_life() -> None:
    found = found_in([(cell(pruner="original", rate="0"), [verified(0, 1)]), (cell(), [verified(0, 1)])])
    assert [(row["value"], row["low"], row["high"], row["note"]) for row in found] == [
        ("", "", "", "below 50 % before pruning")
    ]
