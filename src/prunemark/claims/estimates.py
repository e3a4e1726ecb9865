"""A figure with its interval, over seeds and marked copies, from the rows of one point; and the difference of two.

The mean is that of `prunemark.results.table.summarise`, and from 5 seeds on so is the interval (cluster bootstrap). Of
2 to 4 seeds the page states the range, in which two figures of one trial each would look certain; a claim has to hold
for every seed by that seed's own 95 % interval, so here it runs from the lowest of their ends to the highest.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from prunemark.metrics.intervals import wilson
from prunemark.results.scores import Row, rounded
from prunemark.results.table import BOOTSTRAP_SEEDS, TRIALS, pooled, spread

# What is counted or measured as it is, where other figures vary with the images or keys drawn.
EXACT = ("bytes", "weights", "removable channels", "multiply-accumulates", "parameters over non-zeros")
PER_SEED = "a trial per seed"
Numbered = tuple[int, Row]
Ends = tuple[float, float]
Within = tuple[float, Ends | None, str]


@dataclass(frozen=True)
class Estimate:
    """``low`` and ``high`` are ``None`` where no interval is known. ``interval``: how it was made. ``n``: the trials of
    the encoder that has fewest, where they are trials. ``lines``: of results.csv.
    """

    value: float
    low: float | None
    high: float | None
    interval: str
    trials: str
    n: int | None
    unit: str
    seeds: int
    lines: list[int]


def estimate(members: Sequence[Numbered]) -> Estimate:
    """The figure of one metric at one point."""
    rows = [row for _, row in members]
    parts = [within(found) for found in by_seed(rows).values()]
    return joined(parts, rows, members, lambda mean, seeds: wilson(round(mean * seeds), seeds), "Wilson")


def paired(members: Sequence[Numbered], sign: int) -> Estimate:
    """A change that the table holds itself, with its paired interval; ``sign`` -1 turns it round."""
    turned = [(line, row if sign > 0 else opposite(row)) for line, row in members]
    return estimate(turned)


def opposite(row: Row) -> Row:
    return row | {"value": -row["value"], "ci_low": -row["ci_high"], "ci_high": -row["ci_low"]}


def difference(now: Sequence[Numbered], base: Sequence[Numbered]) -> Estimate:
    """The figure at one point minus that at another, seed by seed."""
    before, after = (by_seed([row for _, row in members]) for members in (base, now))
    parts = [apart(after[seed], before[seed]) for seed in after if seed in before]
    means = [[float(np.mean([mean(rows) for rows in found.values()]))] for found in (after, before)]

    def between(_: float, seeds: int) -> Ends:
        (k,), (j,) = ((round(share * seeds) for share in found) for found in means)
        return unpaired_difference(k, seeds, j, seeds)

    found = joined(parts, [row for _, row in now], [*now, *base], between, "Newcombe (unpaired)")
    return replace(found, trials=" against ".join(filter(None, (counted(members) for members in (now, base)))))


def by_seed(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["seed"]].append(row)
    return found


def mean(rows: Sequence[Row]) -> float:
    return float(np.mean([row["value"] for row in rows]))


def within(rows: Sequence[Row]) -> Within:
    """Mean, ends and kind of interval of one seed, over its marked copies. Trials of keys are added; images are the
    same for every copy, so the ends go from the lowest to the highest copy's."""
    trials = pooled(list(rows))
    if "ci_low" in trials:
        return mean(rows), (trials["ci_low"], trials["ci_high"]), "Wilson" if "k" in trials else "Newcombe (paired)"
    if all("ci_low" in row for row in rows):
        ends = (min(row["ci_low"] for row in rows), max(row["ci_high"] for row in rows))
        return mean(rows), ends, "Wilson" if "k" in rows[0] else "Newcombe (paired)"
    if rows[0]["unit"] in EXACT:
        values = [row["value"] for row in rows]
        return mean(rows), (min(values), max(values)), "exact"
    return mean(rows), None, "none"


def apart(now: Sequence[Row], base: Sequence[Row]) -> Within:
    """The same of a difference of one seed: Newcombe's of unpaired shares, which is wider than it need be where trials
    are the same keys or images."""
    change = mean(now) - mean(base)
    if now[0]["unit"] in EXACT:
        return change, (change, change), "exact"
    both, copies = [pooled(list(rows)) for rows in (now, base)], {row["key"]: row for row in base}
    pairs = [(row, copies[row["key"]]) for row in now if row["key"] in copies]
    pairs = [(both[0], both[1])] if all("k" in part for part in both) else pairs
    if not pairs or not all("k" in one and "k" in other for one, other in pairs):
        return change, None, "none"
    ends = [unpaired_difference(one["k"], one["n"], other["k"], other["n"]) for one, other in pairs]
    return change, (min(low for low, _ in ends), max(high for _, high in ends)), "Newcombe (unpaired)"


def joined(
    parts: Sequence[Within],
    rows: Sequence[Row],
    members: Sequence[Numbered],
    without_width: Callable[[float, int], Ends],
    name: str,
) -> Estimate:
    """All seeds together. Where 5 or more seeds agree on a share, none or all, the bootstrap has no width: then every
    seed is one trial of ``without_width``."""
    means = np.array([value for value, _, _ in parts])
    seeds, value = len(parts), rounded(float(means.mean()))
    ends = [found for _, found, _ in parts if found is not None]
    kind = parts[0][2]
    low = high = None
    if seeds >= BOOTSTRAP_SEEDS and kind != "exact":
        low, high, _ = spread(means, {})
        kind = "bootstrap over seeds"
        if "k" in rows[0] and np.ptp(means) == 0 and abs(value) in (0.0, 1.0):
            low, high = without_width(value, seeds)
            kind = f"{name}, {PER_SEED}"
    elif len(ends) == seeds:
        low, high = min(end for end, _ in ends), max(end for _, end in ends)
        kind = kind if seeds == 1 or kind == "exact" else f"{kind}, every seed\u2019s own"
    return Estimate(
        value=value,
        low=None if low is None else rounded(low),
        high=None if high is None else rounded(high),
        interval=kind,
        trials=counted(members),
        n=least_trials(rows),
        unit=unit_of(rows[0]),
        seeds=seeds,
        lines=sorted(line for line, _ in members),
    )


def counted(members: Sequence[Numbered]) -> str:
    """``k of n keys`` over all seeds and copies, where these are trials. Images are the same ones for every row, so
    those of several rows are not added."""
    rows = [row for _, row in members if "n" in row and row["unit"] not in EXACT]
    if not rows:
        return ""
    if "k" in rows[0] and (len(rows) == 1 or rows[0]["unit"] in TRIALS):
        return f"{sum(row['k'] for row in rows):,} of {sum(row['n'] for row in rows):,} {rows[0]['unit']}"
    return f"{max(row['n'] for row in rows):,} {unit_of(rows[0])}"


def unit_of(row: Row) -> str:
    """What is counted: a change of accuracy is one over images."""
    unit: str = row["unit"]
    return "images" if unit == "difference" else unit


def least_trials(rows: Sequence[Row]) -> int | None:
    if "n" not in rows[0]:
        return None
    together = sum if rows[0]["unit"] in TRIALS else max
    return min(together(row["n"] for row in found) for found in by_seed(rows).values())


def unpaired_difference(k: int, n: int, j: int, m: int) -> Ends:
    """The 95 % interval of k/n - j/m of independent trials (Newcombe 1998, Statistics in Medicine 17, 873-890, method
    10: Wilson ends of both shares, without correction for continuity)."""
    one, other = k / n, j / m
    (one_low, one_high), (other_low, other_high) = wilson(k, n), wilson(j, m)
    change = one - other
    down = math.hypot(one - one_low, other_high - other)
    up = math.hypot(one_high - one, other - other_low)
    return change - down, change + up
