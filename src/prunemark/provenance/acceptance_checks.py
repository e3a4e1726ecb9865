"""Whether acceptances are what they say, by the receipts and commits that they speak of; and one step of each again."""

from __future__ import annotations

import random
from collections.abc import Iterator

from prunemark.engine import forkserver
from prunemark.formats.receipt import SCHEMA
from prunemark.plan.folders import Step
from prunemark.provenance.commits import Blobs, Receipts, whole_history
from prunemark.provenance.replay import sources
from prunemark.provenance.replay_step import replay_step
from prunemark.provenance.sample import bound
from prunemark.receipts.acceptance import Acceptance, acceptances, faults, origins
from prunemark.receipts.chain import Break


def acceptance_breaks(receipts: Receipts) -> tuple[list[Break], list[str]]:
    """Acceptances that are none, cover nothing or contradict receipts or commits; and a note that counts the others."""
    breaks = [Break(path, reason) for path, reason in faults()]
    every = acceptances()
    names = {change.file for acceptance in every for change in acceptance.changes}
    blobs = Blobs({acceptance.commit for acceptance in every}, names)
    outputs = {path: digest for receipt in receipts.values() for path, digest in receipt.outputs.items()}
    origin = origins()
    named = {(name, origin(name, digest)) for receipt in receipts.values() for name, digest in receipt.code.items()}
    for acceptance in every:
        path = acceptance.path.as_posix()
        breaks += [Break(path, reason) for reason in contradictions(acceptance, outputs, blobs)]
        idle = [c.file for c in acceptance.changes if (c.file, origin(c.file, c.before)) not in named]
        if idle:
            breaks.append(
                Break(path, f"covers nothing: no receipt names {idle[0]} with the meaning it is accepted for")
            )
    bounds = ", ".join(f"{entry.bound:g} % of {entry.steps} steps" for entry in every)
    limit = max((entry.limit for entry in every), default="")
    count = f"{len(every)} acceptance" + ("s" if len(every) > 1 else "")
    return breaks, [f"code: the run rests on {count}, by which at most {bounds} differ (95 %){limit}"] if every else []


def contradictions(acceptance: Acceptance, outputs: dict[str, str], blobs: Blobs) -> Iterator[str]:
    for replay in acceptance.replays:
        for path, digest in replay.outputs.items():
            if outputs.get(path) != digest:
                yield f"says that {path} came out with other bytes than its receipt names"
    if acceptance.bound != (least := bound(acceptance.replays, acceptance.steps)):
        yield f"says that at most {acceptance.bound:g} % differ; its replays give {least:g} %"
    if acceptance.commit not in blobs.commits:
        if whole_history():
            yield f"names commit {acceptance.commit[:12]!r}, which is not in this repository, whose history is whole"
        return
    for change in acceptance.changes:
        if blobs.identity(SCHEMA, acceptance.commit, change.file) != change.after:
            yield f"accepts {change.file} with another meaning than commit {acceptance.commit[:12]} has"


def replayed_acceptances(steps: list[Step], seed: int) -> tuple[list[Break], list[str]]:
    """One drawn step of every acceptance, executed again with the code as it is; breaks, and a note."""
    by_folder = {str(step.folder): step for step in steps}
    draw = random.Random(seed)
    breaks: list[Break] = []
    every = acceptances()
    if not every:
        return [], []
    with sources() as ours, forkserver.started(ours) as address:
        for acceptance in every:
            folders = [replay.folder for replay in acceptance.replays if replay.folder in by_folder]
            cheap = [folder for folder in folders if by_folder[folder].command != "train"]
            if not folders:
                breaks.append(Break(acceptance.path.as_posix(), "no step that it says was replayed is asked for"))
                continue
            outcome = replay_step(by_folder[draw.choice(cheap or folders)], ours | address, whole=False)
            reason = f"accepted by {acceptance.path}, and"
            breaks += [Break(fault.path, f"{reason} {fault.reason}") for fault in outcome.breaks]
    return breaks, [f"replay: one step of each of {len(every)} acceptances is equal"] if not breaks else []
