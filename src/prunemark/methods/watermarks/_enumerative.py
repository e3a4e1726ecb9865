"""Enumerative coding (Cover 1973) of integers as sets of fixed size, in exact integers: the combinadic numbers.

The set p_1 < ... < p_a of natural numbers has the rank C(p_1, 1) + ... + C(p_a, a); the sets of size a below L have the
ranks 0 .. C(L, a) - 1, each once.
"""

from __future__ import annotations

import math


def smallest_weight(bits: int, length: int) -> int | None:
    """The smallest a with C(``length``, a) >= 2^``bits``; ``None`` if there is none."""
    return next((a for a in range(length // 2 + 1) if math.comb(length, a) >> bits), None)


def rank(places: list[int]) -> int:
    """The rank of a set given in ascending order."""
    return sum(math.comb(place, i) for i, place in enumerate(places, 1))


def unrank(number: int, weight: int, length: int) -> list[int]:
    """The set of ``weight`` numbers below ``length``, ascending, whose rank is ``number`` < C(length, weight)."""
    places, place = [], length
    for i in range(weight, 0, -1):
        place -= 1
        count = math.comb(place, i)
        while count > number:
            count = count * (place - i) // place
            place -= 1
        places.append(place)
        number -= count
    return places[::-1]
