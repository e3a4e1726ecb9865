"""What a column holds, by the words of its header.

========== ======================================================================================================
role       words
========== ======================================================================================================
share      accuracy, acc, top-1, top-5, error, err, agreement, AuthSR, VerSR, TamperDR, success
value      ``value``, and any other header: a number that intervals and changes may belong to
n          n, trials, images, samples
k          k, correct, successes, hits
low, high  low, lower, lo; high, upper, hi; with the name of the value where there are several (``acc low``)
interval   ci, interval: both ends in one cell, ``[83.0, 87.4]``
before     before, original, baseline, base, dense, unpruned
after      after, pruned
change     delta, Δ, change, difference, diff, gain: after minus before
loss       drop, decrease, reduction, degradation: before minus after
sparsity   sparsity
nonzeros   nonzeros, non-zeros, nnz, remaining
zeros      zeros, removed
total      total; weights or parameters, where a column of non-zeros or zeros stands beside them
ratio      compression
other      statistic, threshold: measured, and compared with nothing
========== ======================================================================================================

The words left over are the *quantity*: ``acc before``, ``acc after`` and ``Δ acc`` belong together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SYNONYMS = {"acc": "accuracy", "acc.": "accuracy", "top1": "top-1", "top5": "top-5", "err": "error", "err.": "error"}
FILLERS = {
    "ci", "bound", "limit", "95", "value", "of", "the", "in", "interval", "confidence", "wilson", "test", "percent",
    "points", "pp", "number", "ratio", "rate", "count",
}  # fmt: skip
ROLES = {
    "sparsity": {"sparsity"},
    "nonzeros": {"nonzeros", "non-zeros", "nonzero", "non-zero", "nnz", "remaining"},
    "zeros": {"zeros", "removed"},
    "ratio": {"compression"},
    "low": {"low", "lower", "lo"},
    "high": {"high", "upper", "hi"},
    "change": {"delta", "δ", "change", "difference", "diff", "gain"},
    "loss": {"drop", "decrease", "reduction", "degradation"},
    "before": {"before", "original", "baseline", "base", "dense", "unpruned"},
    "after": {"after", "pruned"},
    "interval": {"ci", "interval"},
    "total": {"total"},
    "other": {"statistic", "threshold"},
}  # fmt: skip
WHOLE = {
    "n": {"n", "trials", "images", "samples", "test images", "test samples", "number of images", "number of samples"},
    "k": {"k", "correct", "successes", "hits"},
}
SIZES = {"weights", "parameters", "params", "weight", "parameter"}
SHARES = {
    "accuracy", "top-1", "top-5", "error", "agreement", "authsr", "versr", "tamperdr", "success",
}  # fmt: skip
MEANS = {"mean", "average", "avg", "median", "±"}
MEASURED = {"share", "n", "k", "low", "high", "interval", "change", "loss", "before", "after", "sparsity", "nonzeros",
            "zeros", "ratio", "other"}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """``percent``: whether the header says so; ``mean``: whether it names an average, which no single n explains."""

    index: int
    header: str
    role: str
    quantity: tuple[str, ...]
    percent: bool
    mean: bool

    @property
    def measured(self) -> bool:
        """Whether its cells are results, so that they do not tell two rows apart."""
        return self.role in MEASURED or self.header.lower() in ("value", "fpr")


def recognise(headers: list[str]) -> list[Column]:
    """The columns of a table by their headers."""
    found = [column(i, header) for i, header in enumerate(headers)]
    counted = any(c.role in ("nonzeros", "zeros") for c in found)
    if counted and not any(c.role == "total" for c in found):
        found = [as_total(c) if set(c.quantity) & SIZES and c.role in ("value", "before") else c for c in found]
    return found


def as_total(found: Column) -> Column:
    return Column(found.index, found.header, "total", found.quantity, found.percent, found.mean)


def column(index: int, header: str) -> Column:
    text = header.lower().replace("_", " ")
    percent = "%" in text or "percent" in text
    bare = re.sub(r"[(\[][^)\]]*[)\]]", " ", text)
    words = [SYNONYMS.get(word, word) for word in re.findall(r"[^\W\d][\w.-]*|\d+(?:\.\d+)?|[Δδ±]", bare)]
    whole = " ".join(words)
    for role, names in WHOLE.items():
        if whole in names:
            return Column(index, header, role, (), percent, False)
    role = next((role for role, names in ROLES.items() if names & set(words)), "")
    used = ROLES.get(role, set())
    quantity = tuple(word for word in words if word not in used and word not in FILLERS)
    if not role:
        quantity = quantity or (() if whole == "value" else tuple(words))
        role = "share" if set(quantity) & SHARES else "value"
    return Column(index, header, role, quantity, percent, bool(MEANS & set(words)))
