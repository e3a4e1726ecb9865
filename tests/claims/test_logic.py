"""Kleene's three-valued logic and the sides of a number line: truth tables and properties."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prunemark.claims.logic import SLACK, Side, Verdict, every, some

S, R, N = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.OPEN
NUMBERS = st.floats(-1, 1).map(lambda x: round(x, 4))

# Kleene 1952, section 64: (a, b, a and b, a or b).
TABLE = [
    (S, S, S, S), (S, N, N, S), (S, R, R, S),
    (N, S, N, S), (N, N, N, N), (N, R, R, N),
    (R, S, R, S), (R, N, R, N), (R, R, R, R),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "both", "either"), TABLE)
def test_truth_table(a, b, both, either):
    assert every([a, b]) is both
    assert some([a, b]) is either


@given(st.lists(st.sampled_from([S, R, N]), min_size=1))
def test_many_are_folded_as_two_and_some_is_the_dual_of_every(verdicts):
    negated = {S: R, R: S, N: N}
    assert every(verdicts) is negated[some(negated[v] for v in verdicts)]
    folded = verdicts[0]
    for verdict in verdicts[1:]:
        folded = every([folded, verdict])
    assert every(verdicts) is folded


@given(st.lists(st.sampled_from([S, R, N]), min_size=1, max_size=6))
def test_a_decided_verdict_stands_however_the_open_points_are_settled(verdicts):
    """What an open point turns out to be changes no verdict that was given."""
    for join, ordinary in ((every, all), (some, any)):
        given_verdict = join(verdicts)
        ways = [[S, R] if v is N else [v] for v in verdicts]
        outcomes = {S if ordinary(v is S for v in way) else R for way in itertools.product(*ways)}
        assert outcomes == ({S, R} if given_verdict is N else {given_verdict})


SIDES = {
    "above": (Side(0.5, None, False, False), lambda x: x > 0.5),
    "at_least": (Side(0.5, None, True, False), lambda x: x >= 0.5),
    "below": (Side(None, 0.5, False, False), lambda x: x < 0.5),
    "at_most": (Side(None, 0.5, False, True), lambda x: x <= 0.5),
    "between": (Side(-0.2, 0.0, True, False), lambda x: -0.2 <= x < 0.0),
}


@pytest.mark.parametrize(
    ("name", "low", "high", "verdict"),
    [
        ("above", 0.51, 0.9, S), ("above", 0.5, 0.9, N), ("above", 0.1, 0.5, R), ("above", 0.4, 0.6, N), ("above", 0.5, 0.5, R),
        ("at_least", 0.5, 0.9, S), ("at_least", 0.1, 0.5, N), ("at_least", 0.1, 0.49, R), ("at_least", 0.5, 0.5, S),
        ("below", 0.1, 0.49, S), ("below", 0.1, 0.5, N), ("below", 0.5, 0.9, R),
        ("at_most", 0.1, 0.5, S), ("at_most", 0.5, 0.9, N), ("at_most", 0.51, 0.9, R),
        ("between", -0.2, -0.1, S), ("between", -0.1, 0.0, N), ("between", 0.0, 0.1, R), ("between", -0.3, -0.21, R),
        ("between", -0.3, 0.1, N),
    ],
)  # fmt: skip
def test_interval_against_a_side(name, low, high, verdict):
    assert SIDES[name][0].decide(low, high) is verdict


@pytest.mark.parametrize("name", SIDES)
@given(x=NUMBERS, y=NUMBERS)
def test_decided_is_what_every_number_of_the_interval_says(name, x, y):
    side, holds = SIDES[name]
    low, high = sorted((x, y))
    ends_and_bounds = [low, high, *(b for b in (side.lower, side.upper) if b is not None and low <= b <= high)]
    inner = [(a + b) / 2 for a, b in itertools.pairwise(sorted(ends_and_bounds))]
    said = {holds(number) for number in (*ends_and_bounds, *inner)}
    assert side.decide(low, high) is {(True,): S, (False,): R, (False, True): N}[tuple(sorted(said))]


@pytest.mark.parametrize("name", SIDES)
@given(x=NUMBERS, y=NUMBERS, u=NUMBERS, v=NUMBERS)
def test_a_narrower_interval_keeps_the_verdict(name, x, y, u, v):
    """More trials that leave an interval within the old one may decide an open figure, and never overturn a verdict."""
    low, inner_low, inner_high, high = sorted((x, y, u, v))
    before, after = (SIDES[name][0].decide(*ends) for ends in ((low, high), (inner_low, inner_high)))
    assert before in (N, after)


def test_last_bits_decide_nothing():
    assert SIDES["at_least"][0].decide(0.1 + 0.2 + 0.2 - 1e-12, 0.9) is S
    assert SIDES["below"][0].decide(0.1, 0.5 - SLACK / 2) is N
    assert SIDES["above"][0].decide(None, None) is N


@given(value=NUMBERS, left=st.floats(0.01, 1), right=st.floats(0.01, 1), bound=NUMBERS)
def test_the_needed_factor_brings_the_interval_to_the_bound(value, left, right, bound):
    """Shrunk by the root of the factor about the figure, the interval ends on the bound."""
    side, low, high = Side(bound, None, False, False), value - left, value + right
    assume(low < bound < high and abs(value - bound) > 1e-6)
    shrunk = math.sqrt(side.factor_needed(value, low, high))
    end = value - left / shrunk if bound < value else value + right / shrunk
    assert end == pytest.approx(bound, abs=1e-6)


def test_no_factor_moves_a_figure_off_its_bound():
    assert SIDES["above"][0].factor_needed(0.5, 0.4, 0.6) is None
