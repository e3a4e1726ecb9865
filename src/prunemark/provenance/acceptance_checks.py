"""Whether acceptances are what they say, by the receipts and commits that they speak of; and one step of each again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from prunemark.engine import forkserver
from prunemark.formats.receipt import SCHEMA, read_receipt
from prunemark.plan.folders import Step
from prunemark.provenance.commits import Blobs, Receipts, whole_history
from prunemark.provenance.replay import sources
from prunemark.provenance.replay_step import replay_step
from prunemark.provenance.sample import bound, most_wrong
from prunemark.receipts.acceptance import Acceptance, acceptances, faults, rests_on
from prunemark.receipts.chain import Break


def acceptance_breaks(receipts: Receipts) -> tuple[list[Break], list[str]]:
    """Acceptances that are none, cover nothing or contradict receipts or commits; and a note that counts the others,
    with the bounds that their replays give now."""
    breaks = [Break(path, reason) for path, reason in faults()]
    every = acceptances()
    names = {change.file for acceptance in every for change in acceptance.changes}
    blobs = Blobs({acceptance.commit for acceptance in every}, names)
    bounds = []
    for acceptance in every:
        path = acceptance.path.as_posix()
        resting = {folder: receipt for folder, receipt in receipts.items() if rests_on(acceptance, receipt.code)}
        if not resting:
            breaks.append(Break(path, "covers nothing: no receipt names a file with the meaning it is accepted for"))
            continue
        breaks += [Break(path, reason) for reason in contradictions(acceptance, resting, blobs)]
        whole = {replay.folder for replay in acceptance.replays if not replay.epochs and replay.folder in resting}
        steps = [folder for folder, receipt in resting.items()
                 if receipt.outputs and (receipt.stage != "train" or folder in whole)]  # fmt: skip
        now = 100 * most_wrong(len(whole), len(steps)) if whole else 100
        bounds.append(f"{now:.3g} % of {len(steps)} steps")
    limit = max((entry.limit for entry in every), default="")
    count = f"{len(every)} acceptance" + ("s" if len(every) > 1 else "")
    said = f"code: the run rests on {count}, by which at most {', '.join(bounds)} differ (95 %){limit}"
    return breaks, [said] if bounds else []


def contradictions(acceptance: Acceptance, resting: Receipts, blobs: Blobs) -> Iterator[str]:
    """What an acceptance says that is not so. ``resting``: the receipts that rest on it."""
    folders = [replay.folder for replay in acceptance.replays]
    if not set(folders) & set(resting):
        yield "none of the steps that it says were replayed runs what it accepts"
    if len(set(folders)) < len(folders):
        yield "says of one step twice that it was replayed"
    for replay in acceptance.replays:
        receipt = resting.get(replay.folder)
        if receipt is None:  # it ran again since, or is no longer asked for
            continue
        outputs = dict(receipt.outputs)
        if replay.epochs and receipt.stage == "train":
            outputs = {path: digest for path, digest in outputs.items() if path in replay.outputs}
        if replay.outputs != outputs or not outputs:
            yield f"says that {replay.folder} came out with other bytes than its receipt names"
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
    """Of every acceptance one drawn step that rests on it, whether or not it says that it was replayed, executed again
    with the code as it is; breaks, and a note."""
    by_folder = {str(step.folder): step for step in steps}
    draw = random.Random(seed)
    breaks: list[Break] = []
    every = acceptances()
    if not every:
        return [], []
    with sources() as ours, forkserver.started(ours) as address:
        for acceptance in every:
            folders = [folder for folder, step in by_folder.items()
                       if step.folder.names and rests_on(acceptance, read_receipt(Path(folder)).code)]  # fmt: skip
            cheap = [folder for folder in folders if by_folder[folder].command != "train"]
            if not folders:
                breaks.append(Break(acceptance.path.as_posix(), "covers nothing: no step rests on it"))
                continue
            outcome = replay_step(by_folder[draw.choice(cheap or folders)], ours | address, whole=False)
            reason = f"accepted by {acceptance.path}, and"
            breaks += [Break(fault.path, f"{reason} {fault.reason}") for fault in outcome.breaks]
    return breaks, [f"replay: one step of each of {len(every)} acceptances is equal"] if not breaks else []
