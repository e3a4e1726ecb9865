"""Where a number comes from: its row, its formula and its lineage."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from prunemark.errors import PrunemarkError
from prunemark.provenance.lineage import Lineage, lineage, read_step
from prunemark.questions import mlflow_runs as tracked
from prunemark.questions.appearances import Place, Shown, appearances, shown
from prunemark.questions.row_selection import is_selection, select
from prunemark.questions.sources import FIRST_LINE, REPORT, RESULTS, Row, Run, folder_of
from prunemark.results.formulas import FORMULAS, formula

ORDER = {metric: i for i, metric in enumerate(FORMULAS)}


@dataclass
class Match:
    """A row of results.csv behind the number asked for, and the places where that number appears."""

    line: int
    row: Row
    places: list[Place] = field(default_factory=list)

    @property
    def folder(self) -> str:
        return folder_of(self.row)


@dataclass
class Answer:
    """``matches``: the rows behind the number, the most direct first. ``elsewhere``: places that no row stands behind,
    such as a count in a sentence of the page."""

    question: str
    matches: list[Match]
    elsewhere: list[Place]
    run: Run
    told: dict[str, Lineage] = field(default_factory=dict)

    @property
    def chains(self) -> bool:
        """Whether every lineage that was asked for until now holds."""
        return not any(found.breaks for found in self.told.values())

    def lineages(self, count: int) -> dict[str, Lineage]:
        """The lineage of the cells of the first matches, by scores folder."""
        found = {match.folder: checked(self.run, match.folder) for match in self.matches[:count]}
        self.told |= found
        return found

    def facts(self) -> dict[str, Any]:
        """Everything for machines; a step that several numbers share is there once."""
        lineages = self.lineages(len(self.matches))
        steps = {step.folder: step for found in lineages.values() for step in found.steps}
        held = tracked.runs(self.run.database, (step.sha256 for step in steps.values()))
        return {
            "question": self.question,
            "matches": [
                {
                    "line": match.line,
                    "row": match.row,
                    "words": formula(match.row["metric"]).words,
                    "formula": formula(match.row["metric"]).formula,
                    "places": [place_facts(place) for place in match.places],
                    "lineage": [step.folder for step in lineages[match.folder].steps],
                    "breaks": lineages[match.folder].breaks,
                }
                for match in self.matches
            ],
            "elsewhere": [place_facts(place) for place in self.elsewhere],
            "steps": {name: {**step.facts(), "mlflow_run": held.get(step.sha256)} for name, step in steps.items()},
        }


def why(run: Run, question: str) -> Answer:
    """
    Raises:
        PrunemarkError: the question names nothing that is there.
    """
    if is_selection(question):
        return Answer(question, [Match(i + FIRST_LINE, row) for i, row in select(run.rows, question)], [], run)
    number = shown(question)
    places = appearances(run, number)
    if not places:
        raise PrunemarkError(f"{question}: appears nowhere in {REPORT} of {run.name}, neither as it is nor in percent")
    matches: dict[int, Match] = {}
    for place in sorted(places, key=lambda place: (rank(place, number), prominence(run, place))):
        for i in place.rows:
            matches.setdefault(i, Match(i + FIRST_LINE, run.rows[i])).places.append(place)
    return Answer(question, list(matches.values()), [place for place in places if not place.rows], run)


def rank(place: Place, number: Shown) -> int:
    """A row's value that is that very number comes first, then one that rounds to it, then what is made from several
    rows, then thresholds and the like."""
    if place.file != RESULTS:
        return 2
    if not place.where.endswith(", value"):
        return 3
    return int((100 if place.percent else 1) * Decimal(place.value) != number.value)


def prominence(run: Run, place: Place) -> int:
    """Accuracy before what is derived from it, and so on: the order of the formulas."""
    return min((ORDER.get(run.rows[i]["metric"], len(ORDER)) for i in place.rows), default=0)


def checked(run: Run, folder: str) -> Lineage:
    """The lineage of a cell; among its breaks also whether the report has read these very scores."""
    found = lineage(run.read, folder)
    report = read_step(run.read, REPORT)
    if report is None:
        found.breaks.append(f"{REPORT}/receipt.json: missing, so nothing says which scores the report has read")
        return found
    scores = f"{folder}/scores.json"
    if report.receipt.inputs.get(scores) != found.steps[0].receipt.outputs.get(scores):
        found.breaks.append(f"{scores}: not the one that the report has read")
    if report.receipt.outputs.get(RESULTS) != hashlib.sha256(run.read(RESULTS) or b"").hexdigest():
        found.breaks.append(f"{RESULTS}: not as the report has written it")
    return found


def place_facts(place: Place) -> dict[str, Any]:
    lines = [i + FIRST_LINE for i in place.rows]
    return {"file": place.file, "where": place.where, "value": place.value, "percent": place.percent, "lines": lines}
