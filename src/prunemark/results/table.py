"""The results table, and its summary over seeds and keys: pure functions of scores files."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from prunemark.metrics.intervals import holm, wilson
from prunemark.point import CELL, Point
from prunemark.results.columns import COLUMNS
from prunemark.results.scores import Row, rounded

SCHEMA = 1
GROUP = ("dataset", "encoder", "watermark", "pruner", "rate", "probe_dataset", "check", "head", "metric")
FAMILY = ("dataset", "encoder", "seed", "watermark", "key", "probe_dataset", "head", "pruner")
TRIALS = ("keys", "wrong keys", "benign copies")
BOOTSTRAP_SEEDS = 5
RESAMPLES = 10_000
# A difference of two shares is off by its last bits.
SLACK = 1e-9


def table(scored: Iterable[tuple[Point, Iterable[Mapping[str, Any]]]]) -> list[Row]:
    """The long table: one row per cell, metric and unit, from (point, rows of its scores.json)."""
    rows: list[Row] = []
    for point, members in scored:
        place = dict(zip(CELL, point, strict=True))
        rows += [{"schema": SCHEMA, **place, **row} for row in members]
    return with_holm(rows)


def with_holm(rows: list[Row]) -> list[Row]:
    """The table with Holm's adjusted value after every McNemar p-value; a family is all rates of one pruner on one
    marked encoder, through one head."""
    families: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if row["metric"] == "mcnemar_p":
            families[tuple(row[name] for name in FAMILY)].append(i)
    adjusted: dict[int, float] = {}
    for members in families.values():
        adjusted |= zip(members, holm([rows[i]["value"] for i in members]), strict=True)
    found = []
    for i, row in enumerate(rows):
        found.append(row)
        if i in adjusted:
            found.append(row | {"metric": "mcnemar_p_holm", "value": rounded(adjusted[i])})
    return found


def to_csv(rows: list[Row]) -> str:
    """The table as CSV with the columns of ``COLUMNS``; what does not apply is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class Measure(NamedTuple):
    """What the rows of one group share: all seeds and keys of one point, one check and head, one metric."""

    point: Point
    check: str
    head: str
    metric: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Measure:
        """That of a row, or of the place of a summary."""
        point = Point(
            row["dataset"],
            row["encoder"],
            watermark=row["watermark"],
            pruner=row["pruner"],
            rate=row["rate"],
            probe=row["probe_dataset"],
        )
        return cls(point, row.get("check", ""), row.get("head", ""), row["metric"])


@dataclass(frozen=True)
class Summary:
    """One metric of one point, over seeds and keys.

    ``value`` is the mean over seeds of the mean over each seed's keys. ``interval`` names what ``low`` and ``high``
    are: of one seed ``wilson`` (over k of n trials) or ``newcombe`` (a paired difference), ``range`` (over 2 to 4
    seeds), ``bootstrap`` (95 %, over 5 or more seeds) or ``none``. ``k`` and ``n`` are sums over seeds and keys.
    ``encoders`` counts marked encoders, ``seeds`` trained ones: trials within one are clustered, so both are shown.
    """

    place: dict[str, str]
    value: float
    low: float | None
    high: float | None
    interval: str
    k: int | None
    n: int | None
    unit: str
    encoders: int
    seeds: int
    statistic: float | None
    threshold: float | None
    fpr: float | None
    fpr_upper: float | None

    @cached_property
    def measure(self) -> Measure:
        return Measure.of(self.place)


def summarise(rows: list[Row]) -> list[Summary]:
    """Group the table by everything but seed and key. Nothing is pooled over pruners, rates, watermarks or checks."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(str(row.get(name, "")) for name in GROUP)].append(row)
    return [summary(dict(zip(GROUP, key, strict=True)), members) for key, members in groups.items()]


def summary(place: dict[str, str], members: list[Row]) -> Summary:
    by_seed: dict[str, list[float]] = defaultdict(list)
    for row in members:
        by_seed[row["seed"]].append(row["value"])
    first = members[0]
    means = np.array([np.mean(values) for values in by_seed.values()])
    trials = pooled(members)
    low, high, interval = spread(means, trials)

    def mean(name: str) -> float | None:
        found = [row[name] for row in members if name in row]
        return rounded(float(np.mean(found))) if found else None

    def largest(name: str) -> float | None:
        return max((row[name] for row in members if name in row), default=None)

    return Summary(
        place=place,
        value=rounded(float(means.mean())),
        low=None if low is None else rounded(low),
        high=None if high is None else rounded(high),
        interval=interval,
        k=trials.get("k"),
        n=trials.get("n"),
        unit=first["unit"],
        encoders=len(members),
        seeds=len(by_seed),
        statistic=mean("statistic"),
        threshold=mean("threshold"),
        fpr=largest("fpr"),
        fpr_upper=largest("fpr_upper"),
    )


def pooled(members: list[Row]) -> Row:
    """The trials of all keys and seeds together with Wilson's interval, which holds within one seed alone; a single row
    as it is. Images are the same ones for every key, so those of several rows are not added."""
    if len(members) == 1:
        return members[0]
    if members[0]["unit"] not in TRIALS:
        return {}
    k, n = sum(row["k"] for row in members), sum(row["n"] for row in members)
    low, high = wilson(k, n)
    return {"k": k, "n": n, "ci_low": low, "ci_high": high}


def spread(means: np.ndarray, within: Row) -> tuple[float | None, float | None, str]:
    """The interval over seeds, from their means (S,): from 5 on percentiles of the cluster bootstrap (Field and Welsh
    2007: seeds are drawn with all their keys), from 2 on the range, else that within the one seed."""
    if len(means) >= BOOTSTRAP_SEEDS:
        low, high = np.quantile(means[resamples(len(means))].mean(axis=1), (0.025, 0.975))
        return float(low), float(high), "bootstrap"
    if len(means) > 1:
        return float(means.min()), float(means.max()), "range"
    if "ci_low" in within:
        return within["ci_low"], within["ci_high"], "wilson" if "k" in within else "newcombe"
    return None, None, "none"


@cache
def resamples(seeds: int) -> np.ndarray:
    """Which seeds each draw of the bootstrap takes, (draws, seeds): the same for every number of the report."""
    return np.random.default_rng(0).integers(0, seeds, (RESAMPLES, seeds))


def beyond(before: float, now: float, utility_drop: float) -> bool:
    """Whether accuracy through refitted heads, in means over seeds, fell by more than the utility gate allows."""
    return before - now > utility_drop + SLACK


def pruners(asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every pruner of the params, those that remove channels after those that mask weights."""
    return {**asked["pruners"], **asked.get("structured", {})}


def metrics(summaries: list[Summary]) -> dict[str, Any]:
    """The summary as a tree for ``dvc metrics``: dataset / encoder / watermark / pruner / rate / metric."""
    tree: dict[str, Any] = {}
    for point in summaries:
        if point.unit == "p-value" and point.encoders > 1:
            continue  # one test per encoder, and their mean is no p-value
        at = point.place
        level = tree
        for name in ("dataset", "encoder", "watermark", "pruner", "rate"):
            level = level.setdefault(at[name], {})
        level["_".join(part for part in (at["metric"], at["head"], at["check"]) if part)] = point.value
    return tree
