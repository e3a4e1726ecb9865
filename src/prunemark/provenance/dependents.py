"""Which reported numbers depend on a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import read_receipt
from prunemark.plan.folders import FOLDERS, Step
from prunemark.point import CELL, Point

RESULTS = Path("data/report/results.csv")


class Dependents:
    """The rows of results.csv by the cell they belong to, and the steps that each cell's scores come from."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = {str(step.folder): step for step in steps}
        self.rows: dict[str, int] = {}
        if RESULTS.is_file():
            # A damaged table is named by its hash; what can still be read of it tells what depends on it.
            with RESULTS.open(newline="", errors="replace") as file, suppress(csv.Error):
                for row in csv.DictReader(file):
                    cell = "/".join(("data", FOLDERS["evaluate"], *(row.get(name) or "" for name in CELL)))
                    self.rows[cell] = self.rows.get(cell, 0) + 1
        self.total = sum(self.rows.values())

    def describe(self, path: str) -> str:
        """``n of m reported numbers depend on it``, and the cell they share."""
        if path.startswith(f"{RESULTS}:"):
            return "that number itself"
        if path.startswith("data/report/") and path != RESULTS.as_posix():
            return "made from the same scores as results.csv, none of whose numbers depends on it"
        scores = self.scores_below(path)
        count = sum(self.rows.get(folder, 0) for folder in scores)
        if not count:
            return "no reported number depends on it"
        if count == self.total:
            return f"all {count} reported numbers depend on it"
        columns = zip(CELL, zip(*(Point.from_path(Path(folder)) for folder in scores), strict=True), strict=True)
        shared = [f"{name}={values[0]}" for name, values in columns if len(set(values)) == 1]
        return f"{count} of {self.total} reported numbers depend on it ({' '.join(shared)})"

    def scores_below(self, path: str) -> list[str]:
        """The scores folders that descend from a file: from its step, or from every step that ran it as code."""
        reached = self.descendants(folder for folder in self.steps if self.starts_at(folder, path))
        return [folder for folder in self.rows if folder in reached]

    def descendants(self, start: Iterable[str]) -> set[str]:
        """The folders ``start`` and of all steps that stand on them."""
        reached = set(start)
        queue = list(reached)
        below: dict[str, list[str]] = {}
        for folder, step in self.steps.items():
            for need in step.needs:
                below.setdefault(str(need), []).append(folder)
        while queue:
            for folder in below.get(queue.pop(), []):
                if folder not in reached:
                    reached.add(folder)
                    queue.append(folder)
        return reached

    def starts_at(self, folder: str, path: str) -> bool:
        """Whether a step's own result depends on a file: all do on params.yaml, and on results.csv that holds
        them."""
        if path.startswith("src/"):
            return path in self.code(folder)
        inside = path.startswith(f"{folder}/") and "/" not in path.removeprefix(f"{folder}/")
        return inside or path in ("params.yaml", RESULTS.as_posix())

    def code(self, folder: str) -> dict[str, str]:
        try:
            return read_receipt(Path(folder)).code
        except PrunemarkError:
            return {}
