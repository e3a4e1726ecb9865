"""Level 1 of the audit: a closed world in which every file is explained, every hash chains and every number comes out
again by the project's own code.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from prunemark.claims.file import read_claims
from prunemark.disk.files import canonical_json
from prunemark.disk.tensors import read_arrays
from prunemark.engine.sweep import DATA, README, unexpected_files
from prunemark.errors import PrunemarkError
from prunemark.formats.conditions import Conditions
from prunemark.formats.receipt import Receipt, read_receipt
from prunemark.formats.scores import SCHEMA, Scores
from prunemark.formats.written import read
from prunemark.plan import folders, grid
from prunemark.plan.params import Params
from prunemark.provenance.acceptance_checks import acceptance_breaks
from prunemark.provenance.commits import Receipts, code_breaks, unlike_head
from prunemark.provenance.external import External
from prunemark.provenance.irregular import irregular_entries
from prunemark.receipts import code_identity
from prunemark.receipts.chain import Break, Claims, receipt_faults


def audit(params: Params, steps: list[folders.Step]) -> tuple[list[Break], list[str]]:
    """All breaks of what lies on disk, of MLflow and of dvc.lock, without repetition; and notes on what the last three
    and git were good for.
    """
    irregular = list(irregular_entries(DATA))
    external = External(readable=not irregular)
    breaks, claims, found = receipts(steps)
    breaks += irregular
    breaks += [
        Break(path.as_posix(), "unexplained: no receipt that params.yaml asks for names it")
        for path in unexpected_files(params, [DATA])
    ]
    altered, unchecked = unlike_head(README)
    breaks += altered
    if not any(b.missing for b in breaks):
        breaks += recompute(params, steps, claims)
    breaks += claims.breaks()
    differing, notes = code_breaks(found)
    unsound, accepted = acceptance_breaks(found)
    differing, notes = [*differing, *unsound], [*notes, *accepted]
    others, said = external.result()
    known = {fault.path for fault in breaks}  # DVC says of a file only that it changed
    others = [fault for fault in others if fault.path not in known]
    return list(dict.fromkeys([*breaks, *differing, *others])), [*notes, *unchecked, *said]


def receipts(steps: list[folders.Step]) -> tuple[list[Break], Claims, Receipts]:
    """Every receipt that params.yaml asks for: there, sound in itself, and made with the parameters asked for. Those
    that can be read are returned by folder."""
    breaks, claims, found = [], Claims(), {}
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
        found[str(step.folder)] = receipt
    return breaks, claims, found


def asked_for(step: folders.Step, receipt: Receipt) -> list[Break]:
    """Whether a receipt is that of the step: its stage and parameters, all inputs and outputs, all of its code."""
    path, breaks = step.folder.receipt, []
    expected, recorded = step.parameters, receipt.parameters
    if compact(expected) != compact(recorded):
        names = [n for n in sorted({*expected, *recorded}) if expected.get(n) != recorded.get(n)]
        now = ", ".join(f"{name} = {expected.get(name)}" for name in names)
        then = ", ".join(str(recorded.get(name)) for name in names)
        breaks.append(Break("params.yaml", f"asks for {now} where {path} was made with {then}"))
    if receipt.stage != step.command:
        breaks.append(Break(path, f"is of stage {receipt.stage!r}, {step.command!r} is needed"))
    if set(receipt.outputs) != set(step.folder.artefacts):
        breaks.append(Break(path, "does not name exactly the outputs of its step"))
    needed = (*(folder.receipt for folder in step.reads), *step.files)
    unread = [name for name in needed if name not in receipt.inputs]
    if unread:
        breaks.append(Break(path, f"does not name its input {unread[0]}"))
    if set(receipt.code) != set(code_identity.files(step.command, step.methods)):
        breaks.append(Break(path, "does not name exactly the code of its step"))
    return breaks


def recompute(params: Params, steps: list[folders.Step], claims: Claims) -> list[Break]:
    """Make scores again from samples and the report again from scores, and claim their hashes beside the receipts'."""
    from prunemark.stages.report import compose, conditions

    scored = [step for step in steps if "scores.json" in step.folder.names]
    asked, report = params.model_dump(mode="json"), grid.report(params).folder
    try:
        stated_claims = read_claims(Path(folders.CLAIMS), asked)
    except PrunemarkError as error:
        return [Break(folders.CLAIMS, str(error).removeprefix(f"{folders.CLAIMS}: "))]
    try:
        for step in scored:
            kept, again = read(Path(step.folder) / "scores.json", Scores).content(), rescore(step).content()
            if compact(kept) != compact(again):
                claims.recomputed(f"{step.folder}/scores.json", sha256(canonical_json(again)), "samples.npz")
        before = [Path(step.folder) for stage in folders.STAGES[:-1] for step in grid.steps(params, stage)]
        stated = read(Path(report) / "conditions.json", Conditions)
        files = compose([Path(step.folder) for step in scored], asked, stated_claims, stated)
        same = compact(conditions(before).content()) == compact(stated.content())
    except (PrunemarkError, KeyError, ValueError, TypeError, IndexError) as error:
        return [Break("data/scores", f"the report cannot be made again from it: {error}")]
    for name, content in files.items():
        claims.recomputed(f"{report}/{name}", sha256(content), "scores, receipts and journals")
    if not same:
        remedy = "`snakemake --cores 1 --forcerun report` states them anew, where a step ran since"
        return [Break(f"{report}/conditions.json", f"does not say what the journals say; {remedy}")]
    return []


def rescore(step: folders.Step) -> Scores:
    """The content of a scores.json from its samples; measured sizes are taken over, everything else is made again."""
    from prunemark.results.scores import accuracy_rows
    from prunemark.stages.evaluate import score

    folder, given = Path(step.folder), step.parameters
    samples, old = read_arrays(folder / "samples.npz"), read(folder / "scores.json", Scores)
    if step.command == "control":
        return Scores.model_validate({"schema": SCHEMA, "classes": old.classes, "rows": accuracy_rows(samples)})
    if old.sizes is None:
        raise PrunemarkError(f"{folder}/scores.json: without sizes")
    original = Path(given["original"]) if "original" in given else None
    checks = [Path(check) for check in given["check"]]
    return score(samples, original, Path(given["marked"]), checks, old.sizes, old.classes)


def compact(value: Any) -> str:
    """Equal for equal values of equal types; indented JSON is encoded many times slower."""
    return json.dumps(value, sort_keys=True)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
