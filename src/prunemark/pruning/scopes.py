"""Scopes: which weights are ranked together when a rate becomes a mask, and the rates that each can reach."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from prunemark.errors import PrunemarkError

# n zeros in every m weights.
PATTERNS = {"2:4": (2, 4), "4:8": (4, 8)}
SCOPES = {
    "global": "all weights together",
    "layer": "each layer by itself",
    "row": "each output channel of a layer by itself, all losing the same number to within one",
    "2:4": "two of every four weights next to each other along the input channels, as sparse tensor cores need them "
    "(what is left over at the end of the rows of a layer is ranked together)",
    "4:8": "four of every eight, likewise",
}
CHANNEL_SCOPES = {
    "global": "all channels that can go together",
    "layer": "each group of channels that go together by itself",
    "isomorphic": "groups of one structure together",
}


def check_reach(scope: str, rate: str) -> None:
    """Whether a scope reaches a rate.

    Raises:
        PrunemarkError: it does not; the text says which it reaches.
    """
    if scope in PATTERNS:
        zeros, size = PATTERNS[scope]
        if Decimal(rate) not in (0, Decimal(zeros) / size):
            raise PrunemarkError(f"rate {rate} cannot be met: {scope} reaches 0 and {zeros / size:g}, nothing between")


def channel_reach(sizes: list[int], rate: str) -> None:
    """Whether channels of groups of these sizes, ranked together, can lose a share ``rate`` with none left empty.

    Raises:
        PrunemarkError: a layer would be empty; the text says how far the rate reaches.
    """
    most = 1 - Decimal(len(sizes)) / sum(sizes)
    if Decimal(rate) > most:
        text = format(most.quantize(Decimal("0.0001"), ROUND_DOWN).normalize(), "f")
        raise PrunemarkError(f"rate {rate} cannot be met: it would empty a layer; reachable: 0 to {text}")
