"""Accept code that changed its meaning: steps are executed again, and only equal bytes are accepted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prunemark.disk.git import git
from prunemark.engine import build, forkserver, lock
from prunemark.engine.pending import Pending, pending_steps
from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import read_receipt
from prunemark.plan import grid
from prunemark.plan.folders import Step
from prunemark.plan.params_file import read_params
from prunemark.provenance.replay import sources
from prunemark.provenance.replay_step import ReplayedStep, replay_step
from prunemark.provenance.sample import bound, covering
from prunemark.receipts import code_identity
from prunemark.receipts.acceptance import LONGEST_REASON, Acceptance, Change, origins, write_acceptance
from prunemark.receipts.chain import Break

TREE = ("src", "workflow", "Snakefile", "params.yaml", "claims.yaml", "pyproject.toml", "constraints.txt")


def accept(reason: str, count: int, whole: bool, seed: int | None) -> tuple[list[Break], list[str]]:
    """Replay ``count`` steps of every stage that a change of code concerns, or as many as it takes to have every method
    and kind among them; write an acceptance where all give the same bytes, and settle dvc.lock.

    Of training the first epoch is compared, by its losses; all of it, byte for byte, where ``whole``.

    Returns:
        What came out otherwise, and lines that say what was done.

    Raises:
        PrunemarkError: code that is not committed, nothing to accept, or steps that would run for another reason too.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        raise PrunemarkError(f"accept: --reason: {reason!r:.60} is not allowed: 1 to {LONGEST_REASON} characters")
    commit, params = committed(), read_params()
    affected = [entry.step for entry in concerned(pending_steps(grid.all_steps(params)))]
    changes = changed_code(affected)
    compared = [step for step in affected if step.folder.names]
    sample, seed = covering(compared, count, seed)
    outcomes = replayed(sample, params.threads, whole)
    breaks = [fault for outcome in outcomes for fault in outcome.breaks]
    if breaks:
        return breaks, [f"not accepted: {sum(bool(o.breaks) for o in outcomes)} of {len(sample)} steps differ"]
    replays = [outcome.replay for outcome in outcomes]
    steps = sum(whole or step.command != "train" for step in compared)
    acceptance = Acceptance(
        schema=1,
        reason=reason,
        commit=commit,
        changes=changes,
        steps=steps,
        replays=replays,
        seed=seed,
        bound=bound(replays, steps),
    )
    write_acceptance(acceptance)
    lock.hold()
    build.settle(params)
    return [], [
        f"accepted: {len(sample)} of {len(compared)} steps replayed, all equal: at most {acceptance.bound:g} % of "
        f"{steps} differ (95 %){acceptance.limit}",
        f"{acceptance.path}: {', '.join(change.file for change in changes)}",
    ]


def replayed(sample: list[Step], threads: int, whole: bool) -> list[ReplayedStep]:
    workers = max(1, len(os.sched_getaffinity(0)) // threads)
    with sources() as ours, forkserver.started(ours) as address, ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda step: replay_step(step, ours | address, whole), sample))


def committed() -> str:
    """The commit of the code, which has no change beside it.

    Raises:
        PrunemarkError: there is no commit, or a change.
    """
    status = git("status", "--porcelain", "--", *TREE)
    head = git("rev-parse", "--verify", "HEAD^{commit}")
    if status.returncode or head.returncode:
        raise PrunemarkError("accept: this is no git repository with a commit; an acceptance names one")
    if status.stdout:
        first = status.stdout.decode(errors="replace").splitlines()[0][3:]
        raise PrunemarkError(f"accept: {first} differs from the last commit; commit it first: an acceptance names one")
    return head.stdout.decode().strip()


def concerned(pending: list[Pending]) -> list[Pending]:
    """The steps that would run for changed code, and for nothing else.

    Raises:
        PrunemarkError: there are none, or one has another reason.
    """
    own = [entry for entry in pending if entry.reasons and entry.step.command != "report"]
    if not own:
        raise PrunemarkError("accept: no step would run because of its code: there is nothing to accept")
    for entry in own:
        other = [reason for reason in entry.reasons if " changed meaning, " not in reason]
        if other:
            raise PrunemarkError(
                f"accept: {entry.step.folder} would run for another reason too, {other[0]}: build first"
            )
    return [entry for entry in pending if entry.reasons and all(" changed meaning, " in r for r in entry.reasons)]


def changed_code(affected: list[Step]) -> list[Change]:
    """Every file that changed its meaning: what receipts name, against what it is.

    Raises:
        PrunemarkError: receipts name two meanings of one file.
    """
    changes: dict[str, Change] = {}
    origin = origins()
    for step in affected:
        recorded = read_receipt(Path(step.folder)).code
        for file, now in code_identity.identities(step.command, step.methods).items():
            before = origin(file, recorded[file])
            if before != origin(file, now):
                change = changes.setdefault(file, Change(file=file, before=before, after=now))
                if change.before != before:
                    raise PrunemarkError(f"accept: {file}: steps ran it with two meanings; build first")
    return [changes[file] for file in sorted(changes)]


def lines(breaks: list[Break], said: list[str]) -> Iterator[str]:
    yield from map(str, breaks)
    yield from said
