"""Three-valued logic (Kleene 1952): what holds, what does not, and what an interval leaves open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

# Shares are kept to ten digits, and their differences are off by the last of them.
SLACK = 1e-9


class Verdict(StrEnum):
    SUPPORTED = "supported"
    REFUTED = "refuted"
    OPEN = "not decidable"


def every(verdicts: Iterable[Verdict]) -> Verdict:
    """Conjunction: refuted if any is refuted, supported if all are supported, else open."""
    found = set(verdicts)
    if Verdict.REFUTED in found:
        return Verdict.REFUTED
    return Verdict.OPEN if Verdict.OPEN in found else Verdict.SUPPORTED


def some(verdicts: Iterable[Verdict]) -> Verdict:
    """Disjunction: supported if any is supported, refuted if all are refuted, else open."""
    found = set(verdicts)
    if Verdict.SUPPORTED in found:
        return Verdict.SUPPORTED
    return Verdict.OPEN if Verdict.OPEN in found else Verdict.REFUTED


@dataclass(frozen=True)
class Side:
    """The numbers a claim speaks of: those beyond ``lower`` and ``upper``, ends included where they are closed."""

    lower: float | None
    upper: float | None
    lower_closed: bool
    upper_closed: bool

    def reaches_lower(self, x: float) -> bool:
        return self.lower is None or (x >= self.lower - SLACK if self.lower_closed else x > self.lower + SLACK)

    def reaches_upper(self, x: float) -> bool:
        return self.upper is None or (x <= self.upper + SLACK if self.upper_closed else x < self.upper - SLACK)

    def holds(self, x: float) -> bool:
        return self.reaches_lower(x) and self.reaches_upper(x)

    def decide(self, low: float | None, high: float | None) -> Verdict:
        """Supported where the whole interval lies on this side, refuted where none of it does; without an interval,
        open."""
        if low is None or high is None:
            return Verdict.OPEN
        if self.reaches_lower(low) and self.reaches_upper(high):
            return Verdict.SUPPORTED
        outside = not self.reaches_lower(high) or not self.reaches_upper(low)
        return Verdict.REFUTED if outside else Verdict.OPEN

    def clearance(self, low: float, high: float) -> float:
        """How far the nearest bound lies from an interval that holds none."""
        return min(max(low - bound, bound - high) for bound in (self.lower, self.upper) if bound is not None)

    def factor_needed(self, value: float, low: float, high: float) -> float | None:
        """By how much the number of trials must grow for the interval to leave the bounds that it holds, if the figure
        stays as it is and the interval shrinks with the root of that number; ``None``: the figure lies on a bound."""
        needed = 1.0
        for bound in (self.lower, self.upper):
            if bound is not None and low - SLACK <= bound <= high + SLACK:
                gap = abs(value - bound)
                if gap <= SLACK:
                    return None
                needed = max(needed, (((high - value) if bound >= value else (value - low)) / gap) ** 2)
        return needed
