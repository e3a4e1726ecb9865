"""The answer to ``prunemark why`` in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prunemark.formats.receipt import is_receipt
from prunemark.point import CELL
from prunemark.provenance.lineage import Lineage, Step
from prunemark.questions import mlflow_runs as tracked
from prunemark.questions.appearances import Place
from prunemark.questions.sources import RESULTS, Row
from prunemark.questions.why import Answer, Match
from prunemark.results.formulas import formula

IN_FULL = 2
NAMED = 10
MOST_PLACES = 3
MOST_FILES = 6
SHORT = 8


def lines(answer: Answer) -> Iterator[str]:
    """The first matches with their lineage, the next in a line each, and how many more there are."""
    yield headline(answer)
    lineages = answer.lineages(IN_FULL)
    told: set[str] = set()
    for match in answer.matches[:IN_FULL]:
        yield ""
        yield from match_lines(match)
        yield from lineage_lines(lineages[match.folder], answer, told)
    others = answer.matches[IN_FULL : IN_FULL + NAMED]
    if others:
        yield ""
    for match in others:
        of = "".join(f" (of {shown_at(place)})" for place in match.places[:1] if place.file != RESULTS)
        yield f"also line {match.line}: {title(match.row)}; {cell(match.row)}{of}"
    for place in answer.elsewhere[: NAMED - len(others)]:
        yield f"also {place.file}, {place.where}: {place.value}"
    more = len(answer.matches) - IN_FULL - len(others) + max(0, len(answer.elsewhere) - NAMED + len(others))
    if more > 0:
        yield f"and {more:,} more (`--json` has them all; brackets narrow it down: accuracy[pruner=magnitude rate=0.9])"


def headline(answer: Answer) -> str:
    places = list(dict.fromkeys([p for match in answer.matches for p in match.places] + answer.elsewhere))
    if not places:
        return f"{answer.question}: {plural(len(answer.matches), 'row')} of {RESULTS}"
    counted = Counter(place.file for place in places)
    return f"{answer.question}: {plural(len(places), 'place')}: " + ", ".join(
        f"{n:,} in {f}" for f, n in counted.items()
    )


def match_lines(match: Match) -> Iterator[str]:
    what = formula(match.row["metric"])
    yield title(match.row)
    yield f"  {RESULTS} line {match.line}: {cell(match.row)}"
    others = [place for place in match.places if place.file != RESULTS or not place.where.endswith(", value")]
    yield from (f"  {shown_at(place)}" for place in others[:MOST_PLACES])
    yield f"  {what.words}: {what.formula}"


def title(row: Row) -> str:
    """The metric with its head and check, its value, k of n and interval."""
    name = " ".join(part for part in (row["metric"], row["head"], row["check"]) if part)
    count = f" = {int(row['k']):,} of {int(row['n']):,} {row['unit']}" if row["k"] else f" ({row['unit']})"
    ends = f", 95 % interval {float(row['ci_low']):.4g} to {float(row['ci_high']):.4g}" if row["ci_low"] else ""
    limit = f", statistic {row['statistic']}, threshold {row['threshold']}" if row["threshold"] else ""
    return f"{name} = {row['value']}{count}{ends}{limit}"


def cell(row: Row) -> str:
    return " ".join(f"{name}={row[name]}" for name in CELL)


def shown_at(place: Place) -> str:
    others = f", made from {len(place.rows)} rows" if len(place.rows) > 1 else ""
    return f"{place.file} {place.where}: {place.value}{others}"


def lineage_lines(found: Lineage, answer: Answer, told: set[str]) -> Iterator[str]:
    """The steps from the scores back to the raw data; those that are in ``told`` already, in a line."""
    held = tracked.runs(answer.run.database, (step.sha256 for step in found.steps))
    roles = {step.folder: step.role for step in found.steps}
    repeated = [step.receipt.stage for step in found.main if step.folder in told]
    for step in found.main:
        if step.folder not in told:
            yield from step_lines(step, roles, held.get(step.sha256))
    if repeated:
        yield f"  {', '.join(repeated)}: as above"
    beside = Counter(step.role for step in found.steps if not step.main)
    if beside:
        listed = ", ".join(f"{n} x {role}" if n > 1 else role for role, n in beside.items())
        yield f"  read beside them: {listed} (`--json` has their steps)"
    yield from (f"  DOES NOT CHAIN: {broken}" for broken in found.breaks)
    if not found.breaks:
        yield f"  it chains: every receipt of {plural(len(found.steps), 'step')} is the one that the next has read"
    yield f"  again: {found.steps[0].recompute}"
    told.update(step.folder for step in found.main)


def step_lines(step: Step, roles: dict[str, str], mlflow_run: str | None) -> Iterator[str]:
    receipt = step.receipt
    seed = "" if receipt.seed is None else f", seed {receipt.seed}"
    yield f"  {receipt.stage}{seed}: {made(step)}"
    yield f"    $ {receipt.command}"
    yield f"    in   {hashes(receipt.inputs, roles)}"
    yield f"    out  {hashes(receipt.outputs, {step.folder: ''})}"
    tail = f"; MLflow run {mlflow_run}" if mlflow_run else ""
    yield f"    code {plural(len(receipt.code), 'file')}, together {step.code_sha256[:SHORT]}{versions(step)}{tail}"


def made(step: Step) -> str:
    """When, where and at which commit a step ran, as its journal says."""
    at = step.journal
    if at is None:
        return "no journal says when and where"
    commit = "outside of git"
    if at.commit:
        differs = "its code differs from it" if at.code_differs_from_commit else "code as committed"
        commit = f"commit {at.commit[:SHORT]}, {differs}"
    cpu = f"{at.cpu}, {at.cpu_capability}" if at.cpu_capability else at.cpu
    return f"{at.started} on {at.host} ({cpu}), {commit}"


def versions(step: Step) -> str:
    if step.journal is None:
        return ""
    used = {"python": step.journal.python, **step.journal.versions}
    return "; " + ", ".join(f"{name} {used[name]}" for name in ("python", "torch", "numpy") if name in used)


def hashes(files: dict[str, str], roles: dict[str, str]) -> str:
    """Names and the beginnings of their hashes; the folder of a step goes by the role it has, and a receipt is left
    out: it stands for its step."""
    named = [f"{short(name, roles)} {digest[:SHORT]}" for name, digest in files.items() if not is_receipt(name)]
    more = f" and {len(named) - MOST_FILES} more" if len(named) > MOST_FILES else ""
    return ", ".join(named[:MOST_FILES]) + more if named else "nothing"


def short(name: str, roles: dict[str, str]) -> str:
    folder, _, file = name.rpartition("/")
    return f"{roles.get(folder, folder)}/{file}".lstrip("/")


def plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
