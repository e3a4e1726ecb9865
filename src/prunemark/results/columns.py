"""The columns of results.csv, in their order: which cell, what of it, its counts, and what is said beside them.

Everything else that reads or shows columns takes them from here; a new one comes last. Those of scores.json are the
fields of its rows.
"""

from __future__ import annotations

from prunemark.formats import scores

KIND, COUNTED, FACTS = (tuple(part.__annotations__) for part in (scores.Kind, scores.Counted, scores.Facts))
COLUMNS = (
    "schema", "dataset", "encoder", "seed", "watermark", "key", "check", "pruner", "rate", "probe_dataset", "head",
    "metric", "unit", *COUNTED, *FACTS,
)  # fmt: skip
WHOLE = ("k", "n")
NUMBERS: dict[str, type] = {name: int if name in WHOLE else float for name in (*COUNTED, *FACTS)}
