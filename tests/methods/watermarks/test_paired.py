"""The paired test: exact p-values, the strongest random trigger, and suspects that have collapsed."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import binomtest

from prunemark.marking.contract import Nulls, Secret
from prunemark.methods.watermarks._paired import CAP, calibrate, flips, sign_test, statistic


def test_p_value_is_that_of_a_sign_test_against_the_strongest() -> None:
    hits = torch.tensor([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], dtype=torch.bool)
    weak = torch.zeros(10, dtype=torch.bool)
    strong = torch.tensor([1, 1, 0, 0, 0, 0, 0, 1, 0, 0], dtype=torch.bool)
    for random in (torch.stack([weak, strong]), torch.stack([strong, weak])):
        reading = sign_test(hits, random)
        assert reading.p_value == pytest.approx(binomtest(5, 6, alternative="greater").pvalue)
        assert reading.statistic == pytest.approx(-math.log10(7 / 64))
        assert reading.details == pytest.approx({"WACC": 0.7, "WACC_random": 0.15, "WACC_strongest": 0.3})


def test_ten_wins_of_ten_reach_the_level_and_nine_do_not() -> None:
    none = torch.zeros(8, 10, dtype=torch.bool)
    assert sign_test(torch.arange(10) < 10, none).statistic >= calibrate(Nulls([], [], []), Secret()).value
    assert sign_test(torch.arange(10) < 9, none).statistic < calibrate(Nulls([], [], []), Secret()).value


def test_one_strong_random_trigger_is_enough_to_refuse() -> None:
    hits, random = torch.ones(100, dtype=torch.bool), torch.zeros(8, 100, dtype=torch.bool)
    assert sign_test(hits, random).statistic == pytest.approx(100 * math.log10(2))
    random[5] = True
    assert sign_test(hits, random).p_value == 1


def test_a_collapsed_suspect_proves_nothing() -> None:
    same = [torch.zeros(20, dtype=torch.int64)] * 10
    reading = sign_test(*flips(same))
    assert (reading.statistic, reading.p_value) == (0.0, 1.0)
    assert set(reading.details.values()) == {0.0}


def test_flips_are_changes_of_label() -> None:
    clean, true, random = torch.tensor([0, 1, 2]), torch.tensor([0, 2, 2]), torch.tensor([1, 2, 2])
    found, others = flips([clean, true, random])
    assert found.tolist() == [False, True, False]
    assert others.tolist() == [[True, True, False]]


def test_statistic_is_capped() -> None:
    assert statistic(0.0) == CAP
    assert math.copysign(1, statistic(1.0)) == 1
    assert statistic(0.01) == pytest.approx(2)


def test_threshold_is_the_level_or_above_the_strongest_null() -> None:
    level = calibrate(Nulls([0.0, 2.9], [1.0], []), Secret())
    assert level.value == 3
    assert level.p_value == 1 / 9
    above = calibrate(Nulls([0.0, 0.3], [1.0, 7.5], []), Secret())
    assert above.value == math.nextafter(7.5, 8)
    assert above.p_value == 1 / 3
