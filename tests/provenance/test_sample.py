"""What a random sample of cells says, and how it is drawn."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from scipy.stats import hypergeom

from prunemark.errors import PrunemarkError
from prunemark.plan import grid
from prunemark.plan.folders import Folder, Step
from prunemark.plan.params_file import read_params
from prunemark.point import Point
from prunemark.provenance.sample import covering, drawn, most_wrong, seconds


def cells(number: int) -> list[Step]:
    return [Step("evaluate", Folder("scores", f"data/scores/{i}"), dict, (), (), ()) for i in range(number)]


def test_a_sample_is_a_prefix_of_one_order_by_its_seed() -> None:
    order, seed = drawn(cells(50), 7)
    assert seed == 7
    assert sorted(str(step.folder) for step in order) == sorted(str(step.folder) for step in cells(50))
    assert [step.folder for step in order] == [step.folder for step in drawn(cells(50), 7)[0]]
    assert [step.folder for step in order] != [step.folder for step in drawn(cells(50), 8)[0]]


def test_a_seed_that_is_not_given_cannot_be_foreseen() -> None:
    assert len({drawn(cells(3), None)[1] for _ in range(20)}) > 10


def test_the_bound_is_the_rule_of_three() -> None:
    """3 / n for many; 1 of 1 says at most 95 %; all says all."""
    assert most_wrong(300, 10_000) == pytest.approx(3 / 300, rel=0.01)
    assert most_wrong(1, 14) == pytest.approx(0.95)
    assert most_wrong(14, 14) == 0


@pytest.mark.parametrize(("replayed", "total"), [(5, 20), (20, 354), (100, 354)])
def test_no_more_wrong_cells_than_the_bound_escape_in_more_than_one_of_twenty_samples(
    replayed: int, total: int
) -> None:
    """The law of drawing without replacement: with more wrong cells than the bound, 5 % of samples hold none at most."""
    wrong = next(k for k in count(1) if k / total > most_wrong(replayed, total))
    assert hypergeom.pmf(0, total, wrong, replayed) <= 0.05


def test_every_pruner_scheme_and_kind_of_result_is_among_those_replayed() -> None:
    params = read_params(Path(__file__).parents[1] / "engines/tiny.yaml")
    scored = [step for step in grid.steps(params, "evaluate") if step.command == "evaluate"]
    for seed in range(5):
        sample, _ = covering(scored, 1, seed)
        points = [Point.from_path(Path(step.folder)) for step in sample]
        assert {point.pruner for point in points} >= {"magnitude", "random", "rested", "l1-filter", "noise", "original"}
        assert {point.watermark for point in points} == {"none", "reversible"}


def test_times() -> None:
    assert [seconds(text) for text in ("90s", "10m", "1.5h")] == [90, 600, 5400]


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "0s", "1d"])
def test_no_time(text: str) -> None:
    with pytest.raises(PrunemarkError, match="^budget: .* is not allowed: a time such as 90s, 10m or 2h$"):
        seconds(text)
