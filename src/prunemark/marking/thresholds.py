"""Thresholds shared by schemes: the exact law of matching bits, and the place above all measured nulls."""

from __future__ import annotations

import math
from fractions import Fraction

from scipy.special import bdtrc

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Nulls, Threshold

ALPHA = Fraction(1, 10**6)


def bit_threshold(bits: int) -> Threshold:
    """The smallest number of matching bits whose probability under Bin(bits, 1/2) is at most 1e-6."""
    value, p_value = binomial_threshold(bits, ALPHA)
    return Threshold(float(value), f"Bin({bits}, 1/2)", p_value)


def binomial_threshold(trials: int, alpha: Fraction) -> tuple[int, float]:
    """The smallest k with P(Bin(trials, 1/2) >= k) <= alpha, and that probability, both exact.

    Raises:
        PrunemarkError: even all matches are more likely than alpha.
    """
    tail = Fraction(0)
    for k in range(trials, -1, -1):
        longer = tail + Fraction(math.comb(trials, k), 2**trials)
        if longer > alpha:
            break
        tail = longer
    if not tail:
        raise PrunemarkError(f"bits: {trials} bits cannot reach a p-value of {float(alpha)}; allowed: 20 or more")
    return k + 1, float(tail)


def at_least(matches: int, trials: int) -> float:
    """P(Bin(trials, 1/2) >= matches), the one-sided p-value of ``matches`` of ``trials``."""
    return 1.0 if matches <= 0 else float(bdtrc(matches - 1, trials, 0.5))


def above_all(nulls: Nulls) -> Threshold:
    """The next float above every unmarked encoder and every wrong key.

    Where n nulls and one more are exchangeable, that one lies above them with probability 1 / (n + 1), which is what a
    conformal test promises and no more. Encoders and wrong keys are not exchangeable with each other, so the smaller
    group decides what is promised. Without nulls nothing is promised and nothing can be verified.
    """
    values, groups = [*nulls.unmarked, *nulls.wrong_keys], (nulls.unmarked, nulls.wrong_keys)
    law = f"above {len(nulls.unmarked)} unmarked encoders and {len(nulls.wrong_keys)} wrong keys"
    least = min((len(group) for group in groups if group), default=0)
    return Threshold(math.nextafter(max(values, default=math.inf), math.inf), law, 1 / (least + 1))
