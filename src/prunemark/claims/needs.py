"""What would decide an open figure, if it stays as it is: an estimate by the root of n, no promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from prunemark.claims.estimates import EXACT, PER_SEED, Estimate
from prunemark.claims.logic import SLACK, Side
from prunemark.metrics.intervals import Z95
from prunemark.results.table import BOOTSTRAP_SEEDS


@dataclass(frozen=True)
class Need:
    """About ``count`` of ``unit`` where there are ``here``; 0: no number decides a figure that stays on its bound."""

    count: int
    unit: str
    here: int

    def __str__(self) -> str:
        return said([self])


def need(side: Side, found: Estimate) -> Need:
    """What would take the bounds of ``side`` out of the interval."""
    if found.low is None or found.high is None:
        return Need(BOOTSTRAP_SEEDS, "seeds, since no interval is known of fewer", found.seeds)
    factor = side.factor_needed(found.value, found.low, found.high)
    over_seeds = found.interval.startswith("bootstrap") or found.interval.endswith(PER_SEED)
    counted = found.n is not None and found.unit not in EXACT and not over_seeds
    here, unit = (found.n or 0, f"{found.unit} per encoder") if counted else (found.seeds, "seeds")
    return Need(0 if factor is None else two_digits(here * factor), unit, here)


def need_of_test(found: Estimate, p_value: float) -> Need:
    """What would bring the largest adjusted p-value of a two-sided test of counts to 5 %."""
    z = NormalDist().inv_cdf(1 - p_value / 2)
    count = two_digits((found.n or 0) * (Z95 / z) ** 2) if z > SLACK else 0
    return Need(count, f"{found.unit} per encoder", found.n or 0)


def two_digits(number: float) -> int:
    """Rounded up to two digits: an estimate knows no more."""
    step = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return step * math.ceil(number / step - SLACK)


def said(needs: Sequence[Need]) -> str:
    """Needs in words, as a range of numbers per unit; those that nothing meets are counted."""
    parts, never = [], sum(not one.count for one in needs)
    for unit, here in dict.fromkeys((one.unit, one.here) for one in needs if one.count):
        counts = [one.count for one in needs if one.count and (one.unit, one.here) == (unit, here)]
        ends = f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
        parts.append(f"about {ends} {unit} (here {here:,})")
    if never:
        parts.append("nothing decides a figure that stays on its bound" + (f" ({never} do)" if never > 1 else ""))
    return "; ".join(parts)
