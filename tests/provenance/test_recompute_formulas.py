"""The formulas written a second time: against worked examples, and against the first writing on random counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark.metrics import agreement, intervals
from prunemark.metrics import calibration_error as calibration
from prunemark.provenance.recompute import own_formulas
from prunemark.provenance.recompute.kept import by_law
from prunemark.provenance.recompute.summaries import falls_at, last_within

counts = st.integers(0, 400)
tables = st.tuples(counts, counts, counts, counts).filter(any)
predictions = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=2, max_size=80)


def test_wilson_of_a_worked_example() -> None:
    """15 of 148: 0.0624 to 0.1605 (Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3)."""
    assert own_formulas.wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert own_formulas.score_limits(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_the_upper_bound_of_no_events_is_the_rule_of_three() -> None:
    assert own_formulas.clopper_pearson_upper(0, 3) == pytest.approx(1 - 0.05 ** (1 / 3))
    assert own_formulas.clopper_pearson_upper(3, 3) == 1


def test_mcnemar_of_a_worked_example() -> None:
    """1 broken, 5 repaired: twice (1 + 6) / 64."""
    assert own_formulas.mcnemar(1, 5) == pytest.approx(14 / 64)
    assert own_formulas.mcnemar(0, 0) == 1


def test_holm_of_a_worked_example() -> None:
    """Of 0.01, 0.04, 0.03, 0.005 times 3, 1, 2, 4, made monotone."""
    assert own_formulas.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_kappa_of_a_worked_example() -> None:
    """20 and 15 of 50 on the diagonal, 5 and 10 off it: observed 0.7, chance 0.5 (Wikipedia, Cohen's kappa)."""
    before = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    now = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert own_formulas.kappa(before, now) == pytest.approx(0.4)
    assert own_formulas.kappa(np.ones(3), np.ones(3)) is None


def test_calibration_of_a_worked_example() -> None:
    """Half of the images sure at 0.9 and right in 1 of 2, half at 0.5 and right in 1 of 2."""
    confidence = np.array([0.9, 0.9, 0.5, 0.5], dtype=np.float32)
    assert own_formulas.calibration_error(confidence, np.array([1, 0, 1, 0], dtype=bool)) == pytest.approx(
        0.2, abs=1e-6
    )


@given(tables)
def test_newcombe_is_the_first_writing(table: tuple[int, int, int, int]) -> None:
    assert own_formulas.newcombe(*table) == pytest.approx(intervals.paired_difference(*table), abs=1e-12)


@given(tables)
def test_mcnemar_is_the_first_writing(table: tuple[int, int, int, int]) -> None:
    assert own_formulas.mcnemar(*table[:2]) == pytest.approx(intervals.mcnemar(*table[:2]), rel=1e-10)


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.3, 1.0]), max_size=12))
def test_holm_is_the_first_writing(p_values: list[float]) -> None:
    assert own_formulas.holm(p_values) == pytest.approx(intervals.holm(p_values))


@given(predictions)
def test_kappa_is_the_first_writing(found: list[tuple[int, int, int]]) -> None:
    before, now, _ = np.array(found).T
    again, first = own_formulas.kappa(before, now), agreement.kappa(agreement.agreement_matrix(before, now, 5))
    assert (again is None and math.isnan(first)) or again == pytest.approx(first, abs=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=80))
def test_calibration_is_the_first_writing(found: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in found], dtype=np.float32)
    right = np.array([r for _, r in found])
    first = calibration.calibration_error(confidence, right)
    assert own_formulas.calibration_error(confidence, right) == pytest.approx(first, abs=1e-9)


def trial(law: str | None, **more: object) -> dict[str, object]:
    return {"law": law, "unmarked": [0.1, 0.4], "twin": None, "wrong_keys": [[0.2, 3], [0.3, 1]], **more}


def test_thresholds_by_law() -> None:
    """51 of 64 bits; the next number above all nulls, the encoder before marking among them; without a law what intact
    encoders reach; nothing by another law."""
    assert by_law(trial("Bin(64, 1/2)")) == 51
    assert by_law(trial("above 2 unmarked encoders and 4 wrong keys")) == math.nextafter(0.4, 1)
    assert by_law(trial("above 3 unmarked encoders and 4 wrong keys", twin=0.7)) == math.nextafter(0.7, 1)
    assert by_law(trial("published: WR > 0.5")) is None
    assert by_law(trial(None, marked=20.0, intact=[20.0, 19.0])) == 20
    assert by_law(trial(None, marked=1.0, intact=[])) == 1


def test_where_curves_fall() -> None:
    assert last_within([0.1, 0.3, 0.5], np.array([0.0, -0.01, -0.02])) == 0.3
    assert last_within([0.1, 0.3, 0.5], np.array([-0.02, 0.0, 0.0])) == 0
    assert falls_at([0.1, 0.3, 0.5], [1.0, 0.75, 0.25]) == pytest.approx(0.4)
    assert falls_at([0.1, 0.3], [0.2, 0.1]) == 0
    assert falls_at([0.1, 0.3], [0.9, 0.5]) is None
