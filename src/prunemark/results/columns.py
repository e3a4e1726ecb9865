"""The columns of results.csv, in their order: which cell, what of it, its counts, and what is said beside them.

Everything else that reads or shows columns takes them from here; a new one comes last.
"""

from __future__ import annotations

KIND = ("check", "head", "metric", "unit")
COUNTED = ("value", "k", "n", "ci_low", "ci_high")
FACTS = ("statistic", "threshold", "fpr", "fpr_upper")
COLUMNS = (
    "schema", "dataset", "encoder", "seed", "watermark", "key", "check", "pruner", "rate", "probe_dataset", "head",
    "metric", "unit", *COUNTED, *FACTS,
)  # fmt: skip
WHOLE = ("k", "n")
NUMBERS: dict[str, type] = {name: int if name in WHOLE else float for name in (*COUNTED, *FACTS)}
