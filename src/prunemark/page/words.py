"""Words of the report page: what was asked, what the counts can carry, under which conditions, by which methods."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunemark import registry
from prunemark.formats.conditions import Conditions
from prunemark.metrics.intervals import upper_bound, wilson
from prunemark.page.numbers import plural
from prunemark.pruning.scopes import CHANNEL_SCOPES, SCOPES
from prunemark.results.table import BOOTSTRAP_SEEDS

FEW = 30
AXES = ("datasets", "encoders", "watermarks", "checks", "pruners", "structured", "alterations")
# What a method's own docstring says of itself, and the words shown for it.
ADMISSIONS = {
    "reconstruction": "partly a reconstruction",
    "deviation": "deviates from its source",
    "not a published scheme": "a baseline of our own",
}
LABELS = {"encoders": "objectives"}


def asked_rows(asked: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """params.yaml as (key, entries), in words."""
    named = {axis: asked[axis].items() for axis in AXES if axis in asked}
    rows = [(axis, [f"{n}: {settings(entry)}".rstrip(": ") for n, entry in found]) for axis, found in named.items()]
    others = [name for name in asked if name not in AXES]
    return [*rows, *((name.replace("_", " "), [words(asked[name])]) for name in others)]


def settings(entry: dict[str, Any]) -> str:
    flat = {k: v for k, v in entry.items() if k != "set"} | entry.get("set", {})
    return ", ".join(f"{name.replace('_', ' ')} {words(value)}" for name, value in flat.items() if value is not None)


def words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {words(item)}" for name, item in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(words, value)) or "none"
    if isinstance(value, bool | None):
        return {True: "yes", False: "no", None: "unknown"}[value]
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def scope_words(asked: dict[str, Any]) -> list[tuple[str, str]]:
    """The scopes that were asked for, and what they rank together."""
    kinds = (("pruners", SCOPES), ("structured", CHANNEL_SCOPES))
    used = [(entry.get("scope"), meanings) for axis, meanings in kinds for entry in asked.get(axis, {}).values()]
    return list(dict.fromkeys((scope, meanings[scope]) for scope, meanings in used if scope in meanings))


# What the journals hold of single steps stands in tables of its own.
ELSEWHERE = {"schema_number", "scheme_seconds", "latency"}


def condition_rows(conditions: Conditions) -> list[tuple[str, str]]:
    """The journals' facts; without a commit nothing can be said about code that differs from it."""
    facts = conditions.model_dump(exclude=ELSEWHERE)
    if "None" in conditions.commits:
        known = [commit for commit in conditions.commits if commit != "None"]
        facts["commits"] = [*known, "no commit (some runs were made outside one)"]
        facts["code_differs_from_commit"] = conditions.code_differs_from_commit or "unknown for runs without a commit"
    return [(name.replace("_", " "), words(value)) for name, value in sorted(facts.items())]


def ends(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{100 * low:.3g}\u2013{100 * high:.3g} %"


def trials_caveat(name: str, n: int, encoders: int, keyed: bool) -> str:
    """What the best possible count of a scheme can show, and about how many encoders it speaks."""
    what = f"{plural(n, 'key')} in {plural(encoders, 'encoder')}"
    if not keyed:
        what = "deterministic, so one trial per marked encoder however many keys: "
        what += f"{plural(n, 'trial')} in {plural(encoders, 'trained encoder')}"
    if encoders > 1:
        return f"{name}: {what}; trials within one encoder go together, so the interval is over encoders."
    text = f"{name}: {what}: {n} of {n} means {ends(n, n)}"
    text += f", 0 of {n} means {ends(0, n)}." if n < FEW else "."
    over = "keys" if keyed else "copies"
    return text + (f" The interval is over {over} and speaks of this encoder alone." if n > 1 else "")


def nulls_caveat(nulls: int) -> str:
    if not nulls:
        return "No null encoders: no false positive rate was measured."
    allowed = f"still allows a false positive rate up to {100 * upper_bound(0, nulls):.3g} % (one-sided 95 % bound)"
    return f"{plural(nulls, 'null encoder')}: even 0 of {nulls} false positives {allowed}."


def seeds_caveat(seeds: int) -> str:
    if seeds == 1:
        return (
            "1 seed: intervals of accuracy and agreement are over test images of this one trained encoder, those of "
            "success over its keys; they say nothing about training again."
        )
    kind = "95 % interval of a cluster bootstrap: seeds are drawn with all their keys"
    kind = kind if seeds >= BOOTSTRAP_SEEDS else "range, from the lowest to the highest seed"
    return (
        f"{seeds} seeds: every figure is a mean over trained encoders with its {kind}. Where all seeds agree this has "
        "no width, which is no certainty."
    )


def images_caveat(dataset: str, classes: int, images: int) -> str:
    half = 100 * (wilson(images // 2, images)[1] - 0.5)
    known = f"an accuracy near 50 % is known to within {half:.1f} points"
    return f"{dataset}: {images:,} test images, {classes} classes: {known}."


def method_entries(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every method used, with its module's own docstring."""
    for axis, kind, method in registry.named_in(asked):
        label = LABELS.get(axis, axis)
        path, *shared = registry.documented(kind, method)
        entry, known = described(label, method, path), registry.constants(kind, method)
        credit = [f"{name.capitalize()}: {known[name]}" for name in ("CREDIT", "LICENCE") if name in known]
        yield entry | {"blocks": [*entry["blocks"], *(("p", [line]) for line in credit)]}
        yield from (described(f"{label}, shared part", part.stem.lstrip("_"), part) for part in shared)


def described(axis: str, name: str, path: Path) -> dict[str, Any]:
    """A module's docstring as blocks, (tag, items): paragraphs and lists; and what it admits about itself."""
    text = registry.docstring(path)
    blocks = [block(part) for part in text.replace("`", "").split("\n\n")]
    admitted = [words for mark, words in ADMISSIONS.items() if mark in text.lower()]
    return {"axis": axis, "name": name, "first": blocks[0][1][0], "blocks": blocks[1:], "admitted": admitted}


def block(text: str) -> tuple[str, list[str]]:
    text = textwrap.dedent(text)
    if text.startswith("- "):
        return "ul", [" ".join(item.split()) for item in text.removeprefix("- ").split("\n- ")]
    return "p", [" ".join(text.split())]
