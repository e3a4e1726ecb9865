"""The claims of the report page: each with its verdict, its predicate in words and the figures that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prunemark.page.numbers import Number, Source, plural

# Told apart by sign and word: never by colour.
SIGNS = {"supported": "\u2713", "refuted": "\u2717", "not decidable": "?"}
SHARES = ("images", "keys", "wrong keys", "benign copies", "encoders")
PLACE = ("dataset", "encoder", "watermark", "probe", "scheme")


@dataclass(frozen=True)
class Figure:
    """One line of a claim's table: where, what, the number, and how it was decided."""

    pruner: str
    rate: str
    place: str
    what: str
    number: Number
    test: str
    verdict: str


@dataclass(frozen=True)
class Card:
    name: str
    says: str
    sign: str
    verdict: str
    predicate: str
    counts: str
    needed: str
    figures: list[Figure]
    omitted: int


def claim_cards(judged: dict[str, Any]) -> list[Card]:
    """The content of claims.json, claim by claim."""
    return [card(claim) for claim in judged["claims"]]


def card(claim: dict[str, Any]) -> Card:
    figures = [line(point, one) for point in claim["decisive"] for one in point["figures"]]
    omitted = claim["points"][claim["verdict"]] - len(claim["decisive"]) if figures else 0
    return Card(
        name=claim["name"],
        says=claim["says"],
        sign=SIGNS[claim["verdict"]],
        verdict=claim["verdict"],
        predicate=claim["predicate"],
        counts=counted(claim["points"]),
        needed=claim["needed"],
        figures=figures,
        omitted=omitted,
    )


def counted(points: dict[str, int]) -> str:
    parts = [f"{points[verdict]:,} {verdict}" for verdict in SIGNS]
    moot = f"; {points['moot']:,} moot ones are left out" if points["moot"] else ""
    without = f"; {points['not compared']:,} could not be compared" if points["not compared"] else ""
    return f"{', '.join(parts)}{moot}{without}"


def line(point: dict[str, Any], figure: dict[str, Any]) -> Figure:
    at = point["at"]
    verdict = f"{SIGNS[figure['verdict']]} {figure['verdict']}"
    place = " / ".join(dict.fromkeys(at[name] for name in PLACE if name in at))
    return Figure(at["pruner"], at["rate"], place, figure["what"], number(figure), figure["test"], verdict)


def number(figure: dict[str, Any]) -> Number:
    """The figure with its interval: shares and their differences in percent, all else as it is."""
    percent = figure["unit"] in SHARES
    form = "+.1f" if " minus " in figure["what"] or figure["what"].startswith("change") else ".1f"
    ends = "no interval"
    if figure["low"] is not None:
        ends = f"[{shown(figure['low'], percent, form)}, {shown(figure['high'], percent, form)}]"
    unit = "points" if percent and form.startswith("+") else "%" if percent else figure["unit"]
    detail = ", ".join(part for part in (ends, figure["trials"], plural(figure["seeds"], "seed")) if part)
    return Number(
        f"{shown(figure['value'], percent, form)} {unit}",
        detail,
        Source(lines=tuple(figure["lines"]), note=figure["what"]),
    )


def shown(value: float, percent: bool, form: str) -> str:
    if percent:
        return f"{100 * value:{form}}".replace("-", "\u2212")
    return f"{value:{form[:-3]},.6g}".replace("-", "\u2212")
