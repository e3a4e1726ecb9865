"""A predicate in words, made from what it says and from nothing else."""

from __future__ import annotations

from prunemark.claims.schema import DIMENSIONS, SUCCESS, Bounds, Claim, Condition, Where, exact

WORDS = {"above": "above", "at_least": "at least", "below": "below", "at_most": "at most"}
HEADS = {"frozen": " through the frozen head", "refit": " through a refitted head", "knn": " by kNN"}
MINUS = {"original": "the original\u2019s", "previous rate": "that at the next smaller rate above 0"}
KINDS = {
    "weights": "pruners of weights",
    "channels": "pruners of channels",
    "alterations": "other alterations",
    "original": "no pruning",
}


def predicate(claim: Claim) -> str:
    """For example: ``In every dataset, encoder, watermark and scheme, for some pruner, some rate (pruners of weights):
    VerSR is above 0.5.``"""
    held = " and ".join(condition(one) for one in claim.holds)
    named = f"for {', '.join(claim.quantifiers)}" if claim.quantifiers else ""
    said = ", ".join(part for part in (implied(claim), named) if part)
    return f"{said[0].upper()}{said[1:]} ({restriction(claim.where)}): {held}.{needs(claim)}"


def implied(claim: Claim) -> str:
    """What the claim quantifies by saying nothing; without marks there are no schemes, and probes go with datasets."""
    given = {quantifier.split()[1] for quantifier in claim.quantifiers}
    marks = claim.where.scheme or any(one.metric in SUCCESS for one in claim.holds)
    said = given | {"probe"} | (set() if marks else {"scheme"})
    names = [name for name in DIMENSIONS if name not in said]
    return f"in every {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}" if names else ""


def restriction(where: Where) -> str:
    parts = [" and ".join(KINDS[kind] for kind in where.kind)]
    for name in ("dataset", "encoder", "watermark", "probe", "scheme", "pruner"):
        chosen = getattr(where, name)
        parts += [f"{name} {' or '.join(chosen)}"] if chosen else []
    return ", ".join([*parts, *([f"rate {bounds(where.rate)}"] if where.rate and not where.rate.empty else [])])


def condition(one: Condition) -> str:
    head = HEADS.get(one.head or "", "")
    if one.significantly:
        test = "exact McNemar, Holm over the rates, 5 %"
        return f"accuracy{head} is significantly {one.significantly} than the original\u2019s ({test})"
    minus = f" minus {MINUS.get(one.minus, f'that of {one.minus} at the same rate')}" if one.minus else ""
    return f"{one.metric.replace('_', ' ')}{head}{minus} is {bounds(one)}"


def bounds(side: Bounds) -> str:
    given = ((words, getattr(side, name)) for name, words in WORDS.items())
    return " and ".join(f"{words} {exact(value)}".replace("-", "\u2212") for words, value in given if value is not None)


def needs(claim: Claim) -> str:
    wanted = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in claim.needs.items())
    return f" Needs {wanted}." if wanted else ""
