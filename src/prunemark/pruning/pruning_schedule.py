"""When pruning happens and what follows it: rounds on the way to a rate, and recovery after each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

NONE, BATCH_NORM, FINE_TUNE = "none", "batch-norm", "fine-tune"
RECOVERIES = (NONE, BATCH_NORM, FINE_TUNE)
DIGITS = Decimal("1e-12")


@dataclass(frozen=True)
class Schedule:
    """``rounds``: 1 is one-shot. ``recovery`` after every round: none, batch normalisation recalibrated, or ``epochs``
    of the encoder's own training from ``learning_rate`` on, the mask held.
    """

    rounds: int = 1
    recovery: str = NONE
    epochs: int = 0
    learning_rate: float = 0.0


def round_rates(rate: str, rounds: int) -> list[str]:
    """The rate after each of ``rounds`` rounds: the share that is left falls by the same factor in each, so that it is
    (1 - rate)^(i / rounds) after round i (Tanaka et al. 2020, arXiv 2006.05467, algorithm 1)."""
    if rounds == 1:
        return [rate]
    left = 1 - Decimal(rate)
    steps = (1 - left ** (Decimal(i) / rounds) for i in range(1, rounds))
    return [*(format(step.quantize(DIGITS), "f") for step in steps), rate]
