"""Where pruning begins to matter: the knee of accuracy and the half-life of a scheme's success, each with interval.

Knee: the largest rate tried such that it and all smaller ones keep accuracy within 1 point of the original's.
Half-life: the rate where AuthSR or VerSR falls below 50 %, linear between neighbouring rates tried. Pure functions of
the results table; rates are those requested, and the original at rate 0 belongs to every curve of the first kind.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunemark.point import Point
from prunemark.results.scores import Row
from prunemark.results.table import BOOTSTRAP_SEEDS, Measure, Summary, pruners, resamples

SCHEMA = 1
COLUMNS = (
    "schema", "dataset", "encoder", "watermark", "pruner", "probe_dataset", "what", "head", "check", "value", "low",
    "high", "seeds", "note",
)  # fmt: skip
SUCCESS = ("AuthSR", "VerSR")
TOLERANCE = 0.01
HALF = 0.5
WORDS = {"knee": ("within 1 point", "beyond 1 point"), "half-life": ("at 50 % or above", "below 50 %")}
# Sums of shares are off by their last bits, which must not move a knee.
SLACK = 1e-9
Changes = dict[float, list[Row]]


@dataclass(frozen=True)
class Landmark:
    """A rate, or ``None`` where the curve has none; ``low`` and ``high``: ``None`` where no rate tried bounds it.

    ``limit`` says where the curve leaves the range tried: it ``never`` falls up to the largest rate, has fallen ``at
    once`` at the smallest, or ``before`` pruning; else it is empty. ``tried``: the smallest and the largest rate.
    """

    value: float | None
    low: float | None
    high: float | None
    limit: str
    tried: tuple[float, float]


def knee(rates: Sequence[float], changes: Sequence[float]) -> float:
    """The largest of the ascending rates such that it and all smaller ones change accuracy by no less than -1 point;
    0 where none does."""
    found = 0.0
    for rate, change in zip(rates, changes, strict=True):
        if change < -TOLERANCE - SLACK:
            break
        found = rate
    return found


def crossing(rates: Sequence[float], shares: Sequence[float]) -> float:
    """Where shares (R,) at ascending rates (R,) first fall below one half, linear between neighbours; 0 where the first
    is below already, infinite where none is."""
    below = [share < HALF - SLACK for share in shares]
    if not any(below):
        return math.inf
    i = below.index(True)
    if i == 0:
        return 0.0
    above, fall = shares[i - 1] - HALF, shares[i - 1] - shares[i]
    return rates[i - 1] + (rates[i] - rates[i - 1]) * max(0.0, above) / fall


def knee_of(rates: Sequence[float], changes: np.ndarray, ends: tuple[Sequence[float], Sequence[float]]) -> Landmark:
    """The knee of the mean change over seeds, from changes of accuracy (S, R) against the original.

    Its interval: of one seed the knees of the lower and upper ``ends`` (R,) of its paired changes (Newcombe 1998,
    method 10); of 2 to 4 seeds the range of their knees; of 5 or more the 95 % percentiles of the knees of resampled
    seeds. The mean of the seeds may fall later than any of them; the interval always holds it.
    """
    value = knee(rates, changes.mean(axis=0))
    if len(changes) == 1:
        found = [knee(rates, end) for end in ends]
    elif len(changes) < BOOTSTRAP_SEEDS:
        found = [knee(rates, seed) for seed in changes]
    else:
        within = changes[resamples(len(changes))].mean(axis=1) >= -TOLERANCE - SLACK
        reached = np.logical_and.accumulate(within, axis=1).sum(axis=1)
        drawn = np.array([0.0, *rates])[reached]
        found = np.quantile(drawn, (0.025, 0.975), method="inverted_cdf").tolist()
    low, high = min(value, *found), max(value, *found)
    limit = "never" if value == rates[-1] else "at once" if value == 0 else ""
    return Landmark(value, low, high, limit, (rates[0], rates[-1]))


def half_life_of(
    before: float, rates: Sequence[float], shares: Sequence[float], lows: Sequence[float], highs: Sequence[float]
) -> Landmark:
    """The half-life of success ``before`` pruning and at ascending rates (R,), between the crossings of its lower and
    its upper ends.

    Where success, or its upper end, never falls, no rate tried bounds the half-life from above; where it has fallen at
    the smallest rate, only 0 does from below.
    """
    smallest, largest = tried = rates[0], rates[-1]
    if before < HALF - SLACK:
        return Landmark(None, None, None, "before", tried)
    value, low, high = (crossing(rates, curve) for curve in (shares, lows, highs))
    low, last = min(low, largest), None if math.isinf(high) else max(high, smallest)
    if math.isinf(value):
        return Landmark(None, low, None, "never", tried)
    return Landmark(None, 0.0, last, "at once", tried) if value == 0 else Landmark(value, low, last, "", tried)


@dataclass(frozen=True)
class Entry:
    """A landmark of a curve (`Point.curve`): what it is, head and check as in results.csv, and its number of seeds."""

    point: Point
    what: str
    head: str
    check: str
    found: Landmark
    seeds: int

    @property
    def note(self) -> str:
        """Why a rate is empty, or what lies outside of those tried."""
        smallest, largest = (f"{rate:g}" for rate in self.found.tried)
        inside, outside = WORDS[self.what]
        words = {
            "never": f"{inside} up to {largest}, the largest rate tried",
            "at once": f"{outside} at {smallest}, the smallest rate tried",
            "before": f"{outside} before pruning",
        }
        said = [words[self.found.limit]] if self.found.limit else []
        if self.found.high is None and self.found.limit in ("", "at once"):
            said.append(f"upper end {inside} up to {largest}, the largest rate tried")
        return "; ".join(said)


def landmarks(rows: list[Row], summaries: list[Summary], asked: dict[str, Any]) -> list[Entry]:
    """All knees and half-lives of the pruners asked for, in the order of the table; alterations have none."""
    used = pruners(asked)
    return [*knees(rows, used), *half_lives(summaries, used)]


def knees(rows: list[Row], used: dict[str, Any]) -> list[Entry]:
    """Per curve and head, from the paired change of accuracy of every encoder."""
    groups: dict[tuple[Point, str], dict[str, Changes]] = {}
    for row in rows:
        if row["metric"] == "accuracy_change" and row["pruner"] in used:
            seeds = groups.setdefault((Point.from_row(row).curve, row["head"]), {})
            seeds.setdefault(row["seed"], defaultdict(list))[float(row["rate"])].append(row)
    found = []
    for (point, head), seeds in groups.items():
        first = next(iter(seeds.values()))
        changes = np.array([curve(seed, "value") for seed in seeds.values()])
        ends = (curve(first, "ci_low"), curve(first, "ci_high"))
        found.append(Entry(point, "knee", head, "", knee_of(sorted(first), changes, ends), len(seeds)))
    return found


def curve(seed: Changes, column: str) -> list[float]:
    """One column by ascending rate; marked copies under several keys share their images, so that even the ends of their
    intervals are averaged and no narrower than one copy's."""
    return [float(np.mean([row[column] for row in seed[rate]])) for rate in sorted(seed)]


def half_lives(summaries: list[Summary], used: dict[str, Any]) -> list[Entry]:
    """Per curve, scheme and head, from AuthSR or VerSR over seeds and keys with the interval of each rate."""
    before: dict[Measure, Summary] = {}
    curves: dict[tuple[Point, str, str], dict[float, Summary]] = defaultdict(dict)
    for summary in summaries:
        measure = summary.measure
        if measure.metric in SUCCESS:
            if measure.point.is_original:
                before[measure] = summary
            elif measure.point.pruner in used:
                curves[measure.point.curve, measure.head, measure.check][float(measure.point.rate)] = summary
    entries = []
    for (shared, head, check), by_rate in curves.items():
        rates = sorted(by_rate)
        points = [by_rate[rate] for rate in rates]
        shares, lows, highs = ([getattr(p, name) for p in points] for name in ("value", "low", "high"))
        first = points[0].measure
        origin = before[first._replace(point=first.point.original)]
        half = half_life_of(origin.value, rates, shares, lows, highs)
        entries.append(Entry(shared, "half-life", head, check, half, min(point.seeds for point in points)))
    return entries


def to_csv(entries: list[Entry]) -> str:
    """The landmarks as CSV with the columns of ``COLUMNS``; a rate that is none is empty, and the note says why."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        ends = (entry.found.value, entry.found.low, entry.found.high)
        rates = ("" if end is None else f"{end:.6g}" for end in ends)
        at = entry.point
        names = (at.dataset, at.encoder, at.watermark, at.pruner, at.probe)
        writer.writerow((SCHEMA, *names, entry.what, entry.head, entry.check, *rates, entry.seeds, entry.note))
    return text.getvalue()
