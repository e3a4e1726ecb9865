"""Original against pruned on the same images, through one head: the table of its statistics, and classes by class."""

from __future__ import annotations

from functools import partial
from typing import Any

from prunemark.page.tables import WHOLE, Column, Panel

SHARES = {
    "agreement": "agreement",
    "agreement_where_right": "agreement where the original is right",
    "agreement_where_wrong": "agreement where it is wrong",
    "broken": "broken (right, then wrong)",
    "repaired": "repaired (wrong, then right)",
}
FEATURES = {"feature_cosine": ("cosine of features", "mean over images"), "linear_cka": ("linear CKA", "similarity")}


def comparison(panel: Panel, head: str) -> dict[str, Any]:
    """The pruned encoders of a panel against their originals through ``head``; features, which need none, beside the
    frozen one."""
    book = panel.book
    columns = [
        Column(title, "% of images", partial(book.share, metric=metric, head=head)) for metric, title in SHARES.items()
    ]
    columns.append(Column("change of accuracy", "points", partial(book.change, head=head), "+"))
    for metric, title in (("mcnemar_p", "exact McNemar"), ("mcnemar_p_holm", "Holm over rates")):
        columns.append(Column(title, "p-value", partial(book.p_value, metric=metric, head=head)))
    kappa = partial(book.plain, metric="kappa", form=".3f", head=head)
    columns.append(Column("Cohen\u2019s kappa", "coefficient", kappa, ".3f"))
    error = partial(book.plain, metric="calibration_error", form=".3f", head=head)
    columns.append(Column("calibration error", "ECE, pruned", error, ".3f"))
    columns.append(Column("before pruning", "ECE, original", lambda point: error(panel.origin(point.watermark)), ".3f"))
    if head == "refit":
        left_out = partial(book.plain, metric="features_left_out", form=WHOLE, head=head)
        columns.append(Column("features left out", "too alike for float32", left_out, WHOLE))
    if head == "frozen":
        for metric, (title, unit) in FEATURES.items():
            columns.append(Column(title, unit, partial(book.plain, metric=metric, form=".4f"), ".4f"))
    return {"columns": columns, "groups": panel.groups(columns, lambda point: not point.is_original)}
