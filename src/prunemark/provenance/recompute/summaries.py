"""The means and intervals of metrics.json and landmarks.csv, from recomputed figures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from prunemark.provenance.recompute.own_formulas import wilson
from prunemark.provenance.recompute.reported_figures import Figure, Place, mean

DRAWS = 10_000
MANY_SEEDS = 5
SUCCESS = ("AuthSR", "VerSR")
POINT, HALF, SLACK = 0.01, 0.5, 1e-9


class Cell(NamedTuple):
    dataset: str
    encoder: str
    seed: str
    watermark: str
    key: str
    pruner: str
    rate: str
    probe: str


Known = dict[tuple[Cell, Place], Figure]
Seeds = dict[str, list[Figure]]
Curve = dict[float, Seeds]


def over_seeds(known: Known) -> dict[tuple[Cell, Place], Seeds]:
    """Figures by seed, of one point of the grid: a cell without its seed and key."""
    points: dict[tuple[Cell, Place], Seeds] = defaultdict(lambda: defaultdict(list))
    for (cell, place), figure in known.items():
        points[cell._replace(seed="", key=""), place][cell.seed].append(figure)
    return points


def seed_means(seeds: Seeds, column: str = "value") -> np.ndarray:
    return np.array([mean([figure[column] for figure in figures]) for figures in seeds.values()])


def metrics(known: Known) -> dict[str, Any]:
    """Means over seeds of the means over their keys, as the tree of metrics.json."""
    tree: dict[str, Any] = {}
    for (cell, place), seeds in over_seeds(known).items():
        members = [figure for figures in seeds.values() for figure in figures]
        if members[0]["unit"] != "p-value" or len(members) == 1:
            level = tree
            for name in (cell.dataset, cell.encoder, cell.watermark, cell.pruner, cell.rate):
                level = level.setdefault(name, {})
            level["_".join(filter(None, place))] = float(seed_means(seeds).mean())
    return tree


def landmarks(known: Known, pruners: Iterable[str]) -> dict[tuple[str, ...], tuple[float | None, ...]]:
    """Value and ends of every knee and half-life, by dataset, encoder, watermark, pruner, probe, kind, head, check."""
    used = set(pruners)
    curves: dict[tuple[Cell, Place], Curve] = defaultdict(dict)
    for (cell, place), seeds in over_seeds(known).items():
        if place.metric in ("accuracy_change", *SUCCESS):
            curves[cell._replace(rate=""), place][float(cell.rate)] = seeds
    found: dict[tuple[str, ...], tuple[float | None, ...]] = {}
    for (cell, place), curve in curves.items():
        if cell.pruner in used:
            at = (cell.dataset, cell.encoder, cell.watermark, cell.pruner, cell.probe)
            curve = dict(sorted(curve.items()))
            if place.metric in SUCCESS:
                before = curves[cell._replace(pruner="original"), place][0.0]
                found[*at, "half-life", place.head, place.check] = half_life(float(seed_means(before).mean()), curve)
            else:
                found[*at, "knee", place.head, place.check] = knee(curve)
    return found


def knee(curve: Curve) -> tuple[float | None, ...]:
    """The last rate up to which no mean change is below -1 point; between the knees of both interval ends (one seed),
    of single seeds (2 to 4), or the 2.5 and 97.5 % order statistics of those of resampled seeds."""
    rates = list(curve)
    changes = np.array([seed_means(seeds) for seeds in curve.values()]).T  # (seeds, rates)
    value = last_within(rates, changes.mean(axis=0))
    if len(changes) == 1:
        ends = [np.array([seed_means(seeds, end)[0] for seeds in curve.values()]) for end in ("ci_low", "ci_high")]
        others = [last_within(rates, end) for end in ends]
    elif len(changes) < MANY_SEEDS:
        others = [last_within(rates, seed) for seed in changes]
    else:
        drawn = sorted(last_within(rates, changes[draw].mean(axis=0)) for draw in draws(len(changes)))
        others = [drawn[math.ceil(q * DRAWS) - 1] for q in (0.025, 0.975)]
    return value, min(value, *others), max(value, *others)


def last_within(rates: Sequence[float], changes: np.ndarray) -> float:
    beyond = np.flatnonzero(changes < -POINT - SLACK)
    kept = len(rates) if not len(beyond) else int(beyond[0])
    return rates[kept - 1] if kept else 0.0


def half_life(before: float, curve: Curve) -> tuple[float | None, ...]:
    """Where success falls below one half, and where the lower and upper ends of its intervals do."""
    rates = list(curve)
    if before < HALF - SLACK:
        return None, None, None
    bands = [band(seeds) for seeds in curve.values()]
    value = falls_at(rates, [float(seed_means(seeds).mean()) for seeds in curve.values()])
    low, high = (falls_at(rates, end) for end in zip(*bands, strict=True))
    low = rates[-1] if low is None else min(low, rates[-1])
    if value is None:
        return None, low, None
    last = None if high is None else max(high, rates[0])
    return (None, 0.0, last) if value == 0 else (value, low, last)


def band(seeds: Seeds) -> tuple[float, float]:
    """The interval of a success rate: Wilson's over all trials of one seed, the range of 2 to 4, else bootstrap."""
    means = seed_means(seeds)
    if len(means) == 1:
        (figures,) = seeds.values()
        return wilson(sum(figure["k"] for figure in figures), sum(figure["n"] for figure in figures))
    if len(means) < MANY_SEEDS:
        return float(means.min()), float(means.max())
    low, high = np.percentile([means[draw].mean() for draw in draws(len(means))], (2.5, 97.5))
    return float(low), float(high)


def falls_at(rates: Sequence[float], shares: Sequence[float]) -> float | None:
    """The rate at which the line through neighbouring shares first goes below one half; 0 where the first is below,
    ``None`` where none is."""
    for i, share in enumerate(shares):
        if share < HALF - SLACK:
            if i == 0:
                return 0.0
            x, y = (rates[i], rates[i - 1]), (share, max(shares[i - 1], HALF))
            return float(np.interp(HALF, y, x)) if shares[i - 1] > HALF else rates[i - 1]
    return None


@cache
def draws(seeds: int) -> np.ndarray:
    """The stated resamples: 10,000 of so many seeds by generator 0."""
    return np.random.default_rng(0).integers(0, seeds, (DRAWS, seeds))
