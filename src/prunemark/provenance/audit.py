"""The audit: a closed world in which every file is explained, every hash chains and every number comes out again."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from prunemark import closure, grid, layout
from prunemark.claims.file import read_claims
from prunemark.errors import PrunemarkError
from prunemark.files import canonical_json, read_json
from prunemark.params import Params
from prunemark.params_file import read_params
from prunemark.provenance import external
from prunemark.provenance.chain import Break, Claims, read_receipt, receipt_faults
from prunemark.provenance.dependents import Dependents
from prunemark.provenance.sweep import DATA, unexpected_files
from prunemark.store import read_arrays


def audit() -> int:
    """Print one line per break, naming file, reason and the reported numbers that depend on it.

    Returns:
        0 where everything chains, else 1.
    """
    try:
        params = read_params()
    except PrunemarkError as error:
        print(error)
        return 1
    steps = grid.all_steps(params)
    breaks, claims = receipts(params, steps)
    breaks += [
        Break(path.as_posix(), "unexplained: no receipt that params.yaml asks for names it")
        for path in unexpected_files(params, [DATA])
    ]
    if not any(b.missing for b in breaks):
        breaks += recompute(params, steps, claims)
    breaks += claims.breaks()
    notes = []
    for check in (external.dvc_breaks, external.mlflow_breaks):
        found, note = check(params)
        breaks += found
        notes.append(note)

    dependents = Dependents(steps)
    for fault in dict.fromkeys(breaks):
        print(f"{fault.path}: {fault.reason}; {dependents.describe(fault.path)}")
    for note in notes:
        print(note, file=sys.stderr)
    if breaks:
        print(f"audit: {len(set(breaks))} breaks", file=sys.stderr)
        return 1
    print(f"audit: {len(steps)} receipts and {dependents.total} reported numbers, all accounted for")
    return 0


def receipts(params: Params, steps: list[layout.Step]) -> tuple[list[Break], Claims]:
    """Every receipt that params.yaml asks for: there, sound in itself, and made with the parameters asked for."""
    breaks, claims = [], Claims()
    for step in steps:
        path = step.folder.receipt
        try:
            receipt = read_receipt(Path(step.folder))
        except PrunemarkError as error:
            missing = not Path(path).exists()
            reason = "missing, and params.yaml asks for it" if missing else str(error).removeprefix(f"{path}: ")
            breaks.append(Break(path, reason, missing=True))
            continue
        faults = receipt_faults(receipt, path)
        breaks += faults or asked_for(step, receipt)
        claims.add(path, receipt)
    return breaks, claims


def asked_for(step: layout.Step, receipt: dict[str, Any]) -> list[Break]:
    """Whether a receipt is that of the step: its stage and parameters, all inputs and outputs, all of its code."""
    path, breaks = step.folder.receipt, []
    expected, found = step.parameters, receipt["parameters"]
    if canonical_json(expected) != canonical_json(found):
        names = [n for n in sorted({*expected, *found}) if expected.get(n) != found.get(n)]
        asked = ", ".join(f"{name} = {expected.get(name)}" for name in names)
        made = ", ".join(str(found.get(name)) for name in names)
        breaks.append(Break("params.yaml", f"asks for {asked} where {path} was made with {made}"))
    if receipt["stage"] != step.command:
        breaks.append(Break(path, f"is of stage {receipt['stage']!r}, {step.command!r} is needed"))
    if set(receipt["outputs"]) != set(step.folder.artefacts):
        breaks.append(Break(path, "does not name exactly the outputs of its step"))
    needed = (*(folder.receipt for folder in step.reads), *step.files)
    unread = [name for name in needed if name not in receipt["inputs"]]
    if unread:
        breaks.append(Break(path, f"does not name its input {unread[0]}"))
    if set(receipt["code"]) != set(closure.files(step.command, step.methods)):
        breaks.append(Break(path, "does not name exactly the code of its step"))
    return breaks


def recompute(params: Params, steps: list[layout.Step], claims: Claims) -> list[Break]:
    """Make scores again from samples and the report again from scores, and claim their hashes beside the receipts'."""
    from prunemark.stages.report import compose, conditions

    scored = [step for step in steps if "scores.json" in step.folder.names]
    asked, report = params.model_dump(mode="json"), grid.report(params).folder
    try:
        stated_claims = read_claims(Path(layout.CLAIMS), asked)
    except PrunemarkError as error:
        return [Break(layout.CLAIMS, str(error).removeprefix(f"{layout.CLAIMS}: "))]
    try:
        for step in scored:
            claims.recomputed(f"{step.folder}/scores.json", sha256(canonical_json(rescore(step))), "samples.npz")
        before = [Path(step.folder) for stage in layout.STAGES[:-1] for step in grid.steps(params, stage)]
        stated = read_json(Path(report) / "conditions.json")
        files = compose([Path(step.folder) for step in scored], asked, stated_claims, stated)
        same = canonical_json(conditions(before)) == canonical_json(stated)
    except (PrunemarkError, KeyError, ValueError, TypeError, IndexError) as error:
        return [Break("data/scores", f"the report cannot be made again from it: {error}")]
    for name, content in files.items():
        claims.recomputed(f"{report}/{name}", sha256(content), "the scores files")
    if not same:
        again = "`snakemake --cores 1 --forcerun report` states them anew, where a step ran since"
        return [Break(f"{report}/conditions.json", f"does not say what the journals say; {again}")]
    return []


def rescore(step: layout.Step) -> dict[str, Any]:
    """The content of a scores.json from its samples; measured sizes are taken over, everything else is made again."""
    from prunemark import scores
    from prunemark.stages.evaluate import SCHEMA, score

    folder, given = Path(step.folder), step.parameters
    samples, old = read_arrays(folder / "samples.npz"), read_json(folder / "scores.json")
    if step.command == "control":
        return {"schema": SCHEMA, "classes": old["classes"], "rows": scores.accuracy_rows(samples)}
    original = Path(given["original"]) if "original" in given else None
    checks = [Path(check) for check in given["check"]]
    return score(samples, original, Path(given["marked"]), checks, old["sizes"], old["classes"])


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
