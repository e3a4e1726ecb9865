"""The wrapper around both engines: Snakemake runs what changed, then DVC's lock says what lies on disk.

`build` is what dvc.yaml and ``make run`` call; `finish` alone is what a plain ``snakemake`` ends with. Both may be
killed anywhere and run again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from tqdm import tqdm

from prunemark.engine import forkserver, lock, tracking
from prunemark.engine.pending import pending_steps, record, summary
from prunemark.engine.sweep import sweep
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import JOURNAL
from prunemark.formats.receipt import read_receipt
from prunemark.plan import folders, grid
from prunemark.plan.params import Params
from prunemark.plan.params_file import read_params
from prunemark.receipts.acceptance import acceptances, rests_on
from prunemark.receipts.chain import HashCache, check_folder

DVC_LOCK = Path("dvc.lock")
KEPT_LOCK = Path(".prunemark/dvc.lock.kept")
SNAKEMAKE_LOCKS = Path(".snakemake/locks")
NOTHING = "Nothing to be done"
STEPS_DONE = re.compile(r"^(\d+) of (\d+) steps \(\d+(?:\.\d+)?%\) done")


def build(stage: str | None, cores: str) -> None:
    """Build one stage with all before it, or everything; then sweep, and after everything `finish`.

    Raises:
        PrunemarkError: another build is alive, Snakemake failed, or what lies on disk does not fit its receipts.
    """
    params = read_params()
    held = lock.hold()
    restore_dvc_lock()
    keep_dvc_lock()
    if SNAKEMAKE_LOCKS.is_dir() and any(SNAKEMAKE_LOCKS.iterdir()):
        # We hold the only lock there is, so whoever left these was killed.
        snakemake("--unlock", "--quiet", "all", held=held)
    target = f"all_{stage}" if stage else "all"
    steps = grid.all_steps(params)
    wanted = steps if stage is None else [s for name in through(stage) for s in grid.steps(params, name)]
    planned = pending_steps(wanted)
    if planned:
        print(f"prunemark: {summary(planned)}", file=sys.stderr)
        record(planned)
    server: AbstractContextManager[dict[str, str]] = forkserver.started() if planned else nullcontext({})
    with server as address:
        run_with_progress([target, "--cores", cores], held, address)
    if stage:
        sweep(params, [stage])
    else:
        settle(params)


def through(stage: str) -> tuple[str, ...]:
    """The stages up to this one."""
    return folders.STAGES[: folders.STAGES.index(stage) + 1]


def finish() -> None:
    """Bring the DVC lock and MLflow up to date with a complete build; does nothing where the build is not complete.

    Raises:
        PrunemarkError: another build is alive, or what lies on disk does not fit its receipts.
    """
    params = read_params()
    if "PRUNEMARK_BUILD" not in os.environ:
        lock.hold()
    restore_dvc_lock()
    # A partial target ends here too: only a complete and current build may reach DVC's lock.
    planned = subprocess.run(command("-n", "--quiet", "rules"), env=environment(), capture_output=True, text=True)
    if NOTHING in planned.stdout + planned.stderr:
        settle(params)
    else:
        print("prunemark: dvc.lock left as it was: the build is not complete, `snakemake -n` says why", file=sys.stderr)


def settle(params: Params) -> None:
    """Sweep what params.yaml no longer names, check what changed, commit to DVC, publish to MLflow."""
    sweep(params, list(folders.STAGES))
    forget_idle_acceptances(params)
    hashes = HashCache()
    state_anew(params, hashes)
    breaks = [b for step in grid.all_steps(params) for b in check_folder(Path(step.folder), hashes)]
    if breaks:
        raise PrunemarkError(
            f"dvc.lock left as it was: {breaks[0]} ({len(breaks)} breaks; `prunemark audit` lists them)"
        )
    hashes.save()
    commit_to_dvc()
    tracking.publish_or_warn(params)


def forget_idle_acceptances(params: Params) -> None:
    """Delete acceptances on which no receipt rests any more: every step they spoke of ran again."""
    if every := acceptances():
        receipts = [read_receipt(Path(step.folder)) for step in grid.all_steps(params)]
        idle = [one for one in every if not any(rests_on(one, receipt.code) for receipt in receipts)]
        for acceptance in idle:
            acceptance.path.unlink()


def state_anew(params: Params, hashes: HashCache) -> None:
    """Make the report again where a journal is not what it states: a step that ran again to the same bytes has the
    receipt that it had, in which Snakemake sees no reason to."""
    stale = check_folder(Path(grid.report(params).folder), hashes)
    if any(fault.path.startswith(JOURNAL.as_posix()) for fault in stale):
        again = command("--cores", "1", "--nolock", "--quiet", "all", "--forcerun", "report")
        done = subprocess.run(again, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise PrunemarkError(f"the report cannot be made again: {(done.stderr or done.stdout).strip()[-400:]}")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", *arguments]


def environment() -> dict[str, str]:
    """Ours, with this interpreter's scripts first, and the mark that the lock is held."""
    scripts = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "PRUNEMARK_BUILD": "1"}


def snakemake(*arguments: str, held: int, address: dict[str, str] | None = None) -> None:
    """Run Snakemake; it inherits the lock, which so outlives a killed wrapper as long as Snakemake lives."""
    code = subprocess.run(command(*arguments), env=environment() | (address or {}), pass_fds=(held,)).returncode
    if code:
        raise PrunemarkError(f"snakemake {' '.join(arguments)}: exit status {code}; its messages are above")


def run_with_progress(arguments: list[str], held: int, address: dict[str, str]) -> None:
    """Run Snakemake behind a bar of its steps with rate and time left; plainly where stderr is no terminal."""
    if not sys.stderr.isatty():
        snakemake(*arguments, held=held, address=address)
        return
    process = subprocess.Popen(
        command(*arguments),
        env=environment() | address,
        pass_fds=(held,),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    kept: list[str] = []
    with tqdm(unit="step", desc="snakemake", dynamic_ncols=True) as bar:
        for line in process.stdout or []:
            kept.append(line)
            if done := STEPS_DONE.match(line):
                bar.total, bar.n = int(done[2]), int(done[1])
                bar.refresh()
            elif line.startswith("epoch "):
                tqdm.write(line.rstrip())
    if process.wait():
        raise PrunemarkError(f"snakemake: exit status {process.returncode}\n{''.join(kept[-60:])}")


def in_dvc() -> bool:
    return "DVC_STAGE" in os.environ


def commit_to_dvc() -> None:
    """Make dvc.lock say what lies on disk; every changed receipt has been checked before."""
    if in_dvc() or not Path(".dvc").is_dir():
        return
    keep_dvc_lock()
    done = subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet"], capture_output=True, text=True)
    restore_dvc_lock()
    if done.returncode:
        raise PrunemarkError(f"dvc commit: exit status {done.returncode}: {(done.stderr or done.stdout).strip()}")


def keep_dvc_lock() -> None:
    if parses(DVC_LOCK):
        KEPT_LOCK.parent.mkdir(exist_ok=True)
        partial = KEPT_LOCK.with_suffix(".partial")
        shutil.copyfile(DVC_LOCK, partial)
        partial.replace(KEPT_LOCK)


def restore_dvc_lock() -> None:
    """DVC writes its lock in place: put the last good one back where a kill left half of one."""
    if DVC_LOCK.is_file() and not parses(DVC_LOCK):
        if KEPT_LOCK.is_file():
            shutil.copyfile(KEPT_LOCK, DVC_LOCK)
        else:
            DVC_LOCK.unlink()


def parses(path: Path) -> bool:
    """Whether a DVC lock file is whole: YAML, with a hash for every output of every stage."""
    try:
        stages = YAML(typ="safe").load(path)["stages"].values()
        return all(stage["cmd"] and all(out["md5"] for out in stage["outs"]) for stage in stages)
    except (OSError, YAMLError, KeyError, TypeError, AttributeError):
        return False
