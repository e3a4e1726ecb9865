"""How far a replayed number may lie from the recorded one on another kind of machine.

Another processor or another version sums in another order. That moves the last bits of features, and with them the few
predictions and ranks that were all but ties; what lies further off is another result. On the same kind of machine no
tolerance applies: bytes are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# By unit: absolute, and relative to the recorded value; the wider counts. p-values follow from counts held here.
TOLERANCES: dict[str, tuple[float, float]] = {
    "images": (0.01, 0.0),
    "keys": (0.05, 0.0),
    "wrong keys": (0.001, 0.0),
    "benign copies": (0.05, 0.0),
    "encoders": (0.0, 0.0),
    "difference": (0.02, 0.0),
    "coefficient": (0.02, 0.0),
    "probability": (0.01, 0.0),
    "mean over images": (0.01, 0.0),
    "similarity": (0.01, 0.0),
    "mean over keys": (0.01, 0.01),
    "features": (16.0, 0.0),
    "weights": (0.0, 0.001),
    "removable channels": (0.0, 0.001),
    "multiply-accumulates": (0.0, 0.001),
    "parameters over non-zeros": (0.0, 0.001),
    "bytes": (0.0, 0.01),
    "p-value": (1.0, 0.0),
}
Row = Mapping[str, Any]


def named(row: Row) -> str:
    return " ".join(filter(None, (row["metric"], row.get("head"), row.get("check"))))


def first_difference(recorded: Sequence[Row], replayed: Sequence[Row], exact: bool) -> str | None:
    """The first row that is not the recorded one, ``exact`` or within the tolerance of its unit; in words."""
    if [named(row) for row in recorded] != [named(row) for row in replayed]:
        return "its rows are other ones"
    for before, now in zip(recorded, replayed, strict=True):
        absolute, relative = (0.0, 0.0) if exact else TOLERANCES[before["unit"]]
        if abs(before["value"] - now["value"]) > max(absolute, relative * abs(before["value"])):
            return f"{named(before)} is {now['value']}, recorded is {before['value']}"
        if exact and before != now:
            return f"{named(before)} has other counts or ends than recorded"
    return None
