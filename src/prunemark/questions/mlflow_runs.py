"""Which MLflow run holds a receipt, read from the database file itself: MLflow's client takes seconds to import."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

QUERY = "select value, run_uuid from tags where key = ?"


def runs(database: Path | None, receipts: Iterable[str]) -> dict[str, str]:
    """The id of the run of every receipt (by its SHA-256) that a local MLflow database holds."""
    if database is None or not database.is_file():
        return {}
    from prunemark.engine.tracking import RECEIPT_TAG

    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            held = dict(connection.execute(QUERY, (RECEIPT_TAG,)).fetchall())
    except sqlite3.Error:  # no database of MLflow's, or one that is being written: nothing is known
        return {}
    return {receipt: held[receipt] for receipt in receipts if receipt in held}
