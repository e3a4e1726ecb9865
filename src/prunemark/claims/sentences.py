"""A predicate in words, made from what it says and from nothing else."""

from __future__ import annotations

from prunemark.claims.schema import Bounds, Claim, Condition, Where

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
    """For example: ``For every scheme, some pruner, some rate (pruners of weights, rate at most 0.5): VerSR is above
    0.5.``"""
    quantified = ", ".join(claim.quantifiers) or "everything"
    implied = " and every other dimension" if claim.quantifiers else ""
    held = " and ".join(condition(one) for one in claim.holds)
    return f"For {quantified}{implied} ({restriction(claim.where)}): {held}.{needs(claim)}"


def restriction(where: Where) -> str:
    parts = [" and ".join(KINDS[kind] for kind in where.kind)]
    for name in ("dataset", "encoder", "watermark", "probe", "scheme", "pruner"):
        chosen = getattr(where, name)
        parts += [f"{name} {' or '.join(chosen)}"] if chosen else []
    return ", ".join([*parts, *([f"rate {bounds(where.rate)}"] if where.rate and not where.rate.empty else [])])


def condition(one: Condition) -> str:
    head = HEADS.get(one.head or "", "")
    if one.significantly:
        return (
            f"accuracy{head} is significantly {one.significantly} than the original\u2019s (exact McNemar, Holm, 5 %)"
        )
    minus = f" minus {MINUS.get(one.minus, f'that of {one.minus} at the same rate')}" if one.minus else ""
    return f"{one.metric.replace('_', ' ')}{head}{minus} is {bounds(one)}"


def bounds(side: Bounds) -> str:
    given = ((words, getattr(side, name)) for name, words in WORDS.items())
    return " and ".join(f"{words} {value:g}".replace("-", "\u2212") for words, value in given if value is not None)


def needs(claim: Claim) -> str:
    wanted = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in claim.needs.items())
    return f" Needs {wanted}." if wanted else ""
