"""The results table, and its summary over seeds and keys: pure functions of scores files."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunemark.metrics.intervals import wilson
from prunemark.scores import Row, rounded

SCHEMA = 1
CELL = ("dataset", "encoder", "seed", "watermark", "key", "pruner", "rate", "probe_dataset")
COLUMNS = (
    "schema", "dataset", "encoder", "seed", "watermark", "key", "check", "pruner", "rate", "probe_dataset", "head",
    "metric", "unit", "value", "k", "n", "ci_low", "ci_high", "statistic", "threshold", "fpr", "fpr_upper",
)  # fmt: skip
GROUP = ("dataset", "encoder", "watermark", "pruner", "rate", "probe_dataset", "check", "head", "metric")
BOOTSTRAP_SEEDS = 5
RESAMPLES = 10_000


def table(scored: Iterable[tuple[tuple[str, ...], dict[str, Any]]]) -> list[Row]:
    """The long table: one row per cell, metric and unit, from (cell, content of its scores.json)."""
    rows = []
    for cell, content in scored:
        place = dict(zip(CELL, cell, strict=True))
        rows += [{"schema": SCHEMA, **place, **row} for row in content["rows"]]
    return rows


def to_csv(rows: list[Row]) -> str:
    """The table as CSV with the columns of ``COLUMNS``; what does not apply is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass(frozen=True)
class Summary:
    """One metric of one point, over seeds and keys.

    ``interval`` names what ``low`` and ``high`` are: ``wilson`` (over the trials k of n), ``range`` (over 2 to 4
    seeds), ``bootstrap`` (95 %, over 5 or more seeds) or ``none``. ``encoders`` counts marked encoders, ``seeds``
    trained ones: trials within one are clustered, so both are shown.
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
    k = n = None
    low: float | None
    high: float | None
    if first["unit"] in ("keys", "wrong keys", "benign copies"):
        k, n = sum(row["k"] for row in members), sum(row["n"] for row in members)
        value, (low, high), interval = k / n, wilson(k, n), "wilson"
    else:
        means = np.array([np.mean(values) for values in by_seed.values()])
        value = float(means.mean())
        low, high, interval = spread(means, first if len(members) == 1 else {})
        if len(members) == 1:
            k, n = first.get("k"), first.get("n")

    def mean(name: str) -> float | None:
        found = [row[name] for row in members if name in row]
        return rounded(float(np.mean(found))) if found else None

    def largest(name: str) -> float | None:
        return max((row[name] for row in members if name in row), default=None)

    return Summary(
        place=place,
        value=rounded(value),
        low=None if low is None else rounded(low),
        high=None if high is None else rounded(high),
        interval=interval,
        k=k,
        n=n,
        unit=first["unit"],
        encoders=len(members),
        seeds=len(by_seed),
        statistic=mean("statistic"),
        threshold=mean("threshold"),
        fpr=largest("fpr"),
        fpr_upper=largest("fpr_upper"),
    )


def spread(means: np.ndarray, single: Row) -> tuple[float | None, float | None, str]:
    """The interval over seeds: bootstrap of their mean from 5 on, range from 2 on, else the single row's own."""
    if len(means) >= BOOTSTRAP_SEEDS:
        draws = np.random.default_rng(0).choice(means, (RESAMPLES, len(means))).mean(axis=1)
        low, high = np.quantile(draws, (0.025, 0.975))
        return float(low), float(high), "bootstrap"
    if len(means) > 1:
        return float(means.min()), float(means.max()), "range"
    if "ci_low" in single:
        return single["ci_low"], single["ci_high"], "wilson"
    return None, None, "none"


def metrics(summaries: list[Summary]) -> dict[str, Any]:
    """The summary as a tree for ``dvc metrics``: dataset / encoder / watermark / pruner / rate / metric."""
    tree: dict[str, Any] = {}
    for point in summaries:
        at = point.place
        level = tree
        for name in ("dataset", "encoder", "watermark", "pruner", "rate"):
            level = level.setdefault(at[name], {})
        level["_".join(part for part in (at["metric"], at["head"], at["check"]) if part)] = point.value
    return tree
