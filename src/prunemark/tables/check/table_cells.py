"""Numbers as they stand in a cell, with what their digits can carry."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from decimal import Decimal

NUMBER = r"[-+\u2212\u2013]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:(?<=\d)|(?=\.\d))(?:\.\d+)?(?:[eE][-+]?\d+)?"
# Of "(3,489)" the comma parts thousands.
BETWEEN = r"(?:,(?!\d{3}(?![\d.]))|;|to|\.\.|\u2013|(?<=[\d%\s])-)"
SCALES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9}
MARKS = re.compile(r"[*†‡§\u2020]+$|^[*]+")
SINGLE = re.compile(
    rf"(?P<v>{NUMBER})\s*(?P<unit>%|\u00d7|x|pp|points|[kKMBG])?(?P<spread>\s*(?:±|\+/-)\s*{NUMBER}\s*%?)?"
)
WITHIN = re.compile(
    rf"(?P<v>{NUMBER})\s*(?P<unit>%)?\s*[\[(](?:95\s*%\s*(?:CI)?:?\s*)?(?P<low>{NUMBER})\s*%?\s*{BETWEEN}"
    rf"\s*(?P<high>{NUMBER})\s*%?\s*[\])]"
)
ENDS = re.compile(rf"[\[(]?\s*(?P<low>{NUMBER})\s*%?\s*{BETWEEN}\s*(?P<high>{NUMBER})\s*(?P<unit>%)?\s*[\])]?")
INTERVAL = rf"[\[(]\s*(?P<low>{NUMBER})\s*%?\s*{BETWEEN}\s*(?P<high>{NUMBER})\s*%?\s*[\])]"
COUNT = r"(?P<k>\d[\d,]*)\s*(?P<of>of|/)\s*(?P<n>\d[\d,]*)"
COUNT_WITHIN = re.compile(rf"{COUNT}\s*{INTERVAL}")
COUNTED = (
    re.compile(r"(?P<k>\d[\d,]*)\s*(?P<of>of|/)\s*(?P<n>\d[\d,]*)\s*\(\s*(?P<v>\d+(?:\.\d+)?)\s*%\s*\)"),
    re.compile(r"(?P<v>\d+(?:\.\d+)?)\s*%\s*\(\s*(?P<k>\d[\d,]*)\s*(?P<of>of|/)\s*(?P<n>\d[\d,]*)\s*\)"),
    re.compile(r"(?P<k>\d[\d,]*)\s*(?P<of>of)\s*(?P<n>\d[\d,]*)"),
    COUNT_WITHIN,
)
# Programs write as many digits as there are and drop the last zeros: every number is as good as its longest neighbour.
MACHINE_DECIMALS = 7
EXACT = Decimal("1e-9")
# Beyond this it is no result of a table, and exact arithmetic would take long.
LARGEST_EXPONENT = 300


@dataclass(frozen=True)
class Quantity:
    """A number, half a unit of its last digit, and whether it is followed by a percent sign; ``averaged``: whether a
    spread stands behind it, as behind means."""

    value: Decimal
    half: Decimal
    percent: bool = False
    averaged: bool = False

    @property
    def low(self) -> Decimal:
        return self.value - self.half

    @property
    def high(self) -> Decimal:
        return self.value + self.half

    def scaled(self, factor: Decimal) -> Quantity:
        return Quantity(self.value * factor, self.half * abs(factor), self.percent, self.averaged)


@dataclass(frozen=True)
class Interval:
    value: Quantity | None
    low: Quantity
    high: Quantity


@dataclass(frozen=True)
class Count:
    """``k of n``, and the percentage that stands beside it, if one does."""

    k: int
    n: int
    value: Quantity | None


@functools.cache
def quantity(text: str) -> Quantity | None:
    """The single number of a cell, also before a spread or an interval; ``None`` where it holds anything else."""
    bare = unmarked(text)
    found = SINGLE.fullmatch(bare) or WITHIN.fullmatch(bare)
    if found is None or abs(number(found["v"]).value.adjusted()) > LARGEST_EXPONENT:
        return None
    unit = found["unit"] or ""
    spread = "spread" in found.groupdict() and found["spread"] is not None
    read = number(found["v"])
    scaled = read.scaled(Decimal(SCALES.get(unit, 1)))
    return Quantity(scaled.value, scaled.half, unit == "%", spread)


def interval(text: str) -> Interval | None:
    """The interval of a cell, with the value before it, if one stands there; of ``k of n``, which is the share."""
    if counted := COUNT_WITHIN.fullmatch(unmarked(text)):
        return within_counts(counted)
    found = WITHIN.fullmatch(text.strip()) or ENDS.fullmatch(text.strip())
    if found is None:
        return None
    value = number(found["v"]) if "v" in found.groupdict() else None
    return Interval(value, number(found["low"]), number(found["high"]))


def within_counts(found: re.Match[str]) -> Interval | None:
    """The interval behind ``k of n``, in percent unless it reaches no further than 1."""
    k, n = (int(found[name].replace(",", "")) for name in ("k", "n"))
    low, high = number(found["low"]), number(found["high"])
    whole = Decimal(1) if high.value <= 1 and "." in found["high"] else Decimal(100)
    return Interval(Quantity(whole * k / n, EXACT), low, high) if n else None


def unmarked(text: str) -> str:
    """A cell without the marks of its footnotes."""
    return MARKS.sub("", text.strip()).strip()


def count(text: str) -> Count | None:
    """``k of n``, with the percentage beside it."""
    if "of" not in text and "/" not in text:
        return None
    found = next((match for pattern in COUNTED if (match := pattern.fullmatch(unmarked(text)))), None)
    if found is None:
        return None
    value = number(found["v"]) if "v" in found.groupdict() else None
    return Count(int(found["k"].replace(",", "")), int(found["n"].replace(",", "")), value)


def number(text: str) -> Quantity:
    bare = text.replace("\u2212", "-").replace("\u2013", "-").replace(",", "").replace(" ", "")
    value = Decimal(bare)
    return Quantity(value, Decimal(1).scaleb(int(value.as_tuple().exponent)) / 2)


def column(texts: list[str]) -> list[Quantity | None]:
    """The numbers of a column. Where one has many decimals a program wrote them all, and they are exact but for their
    last bits."""
    found = [quantity(text) for text in texts]
    finest = max((-int(q.value.as_tuple().exponent) for q in found if q), default=0)
    if finest < MACHINE_DECIMALS:
        return found
    return [q and Quantity(q.value, EXACT * max(Decimal(1), abs(q.value)), q.percent, q.averaged) for q in found]
