"""The audit of a collaborator: clone, pull, audit and replay there, with every command printed."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from prunemark.errors import PrunemarkError
from prunemark.formats.journal import journal_path
from prunemark.plan.folders import Step
from prunemark.provenance import own_process
from prunemark.provenance.commits import could_be, digits, journal_of
from prunemark.receipts.chain import Break

CACHE = "prunemark-audit"


def audit_clone(
    steps: list[Step], remote: str | None, count: int | None, budget: float | None, seed: int | None
) -> tuple[list[Break], str, dict[str, Any]]:
    """Breaks found in a fresh clone at the recorded commit, what was proved, and facts: the commit, the commands and
    the levels run there.

    ``dvc.lock`` is the one that lies here, since it is written after the commit that the journals name. ``remote`` is a
    DVC remote by name or a path; without one the configured remote, and where none is, this repository's own cache.

    Raises:
        PrunemarkError: the journal of the last step names no commit, or there is no dvc.lock.
    """
    commit = the_commit(steps[-1])
    if not Path("dvc.lock").is_file():
        raise PrunemarkError("dvc.lock: no such file; a clone pulls what it names")
    with tempfile.TemporaryDirectory(prefix="prunemark-clone-") as scratch:
        clone = Clone(Path(scratch) / "clone")
        try:
            clone.run(["git", "clone", "--quiet", "--no-checkout", str(Path.cwd()), str(clone.folder)], Path.cwd())
            clone.run(["git", "checkout", "--quiet", "--detach", commit])
            clone.say(["cp", "dvc.lock", str(clone.folder / "dvc.lock")])
            shutil.copyfile("dvc.lock", clone.folder / "dvc.lock")
            clone.pull(remote)
            document = clone.audit(count, budget, seed)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout or "").strip().splitlines() or [""]
            return [Break("clone", f"`{shlex.join(error.cmd)}` fails: {said[-1]}")], "", {"commit": commit}
    breaks = [Break(fault["path"], f"in the clone: {fault['reason']}")
              for level in document["levels"] for fault in level.get("breaks", ())]  # fmt: skip
    if not document["holds"] and not breaks:
        breaks.append(Break("params.yaml", f"in the clone: {document.get('error', 'the audit fails')}"))
    proved = "; ".join(str(level.get("proved")) for level in document["levels"])
    facts = {"commit": commit, "commands": clone.commands, "levels_there": document["levels"]}
    return breaks, f"in a clone at {commit[:12]}: {proved}", facts


def the_commit(last: Step) -> str:
    """The commit of the step that was made last. Earlier steps may name earlier ones, since only what changed runs
    again: whether their code is that of this commit too, the audit in the clone says."""
    entry = journal_of(Path(last.folder))
    commit = entry.commit if entry else None
    if commit is None or not could_be(commit, digits()):
        raise PrunemarkError(f"{journal_path(Path(last.folder))}: names no commit; a clone needs the one that made it")
    return commit


class Clone:
    """A clone in ``folder``, and every command that was run for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands = folder, list[str]()

    def say(self, command: list[str]) -> None:
        self.commands.append(shlex.join(command))
        print(f"$ {self.commands[-1]}", file=sys.stderr, flush=True)

    def run(self, command: list[str], where: Path | None = None, judged: bool = True) -> str:
        """Run a command in the clone with its own code.

        Raises:
            subprocess.CalledProcessError: it fails, where its exit status is ``judged`` here.
        """
        self.say(command)
        environment = own_process.environment(self.folder / "src")
        # Where this repository publishes and what it builds is nothing to a clone.
        environment = {n: v for n, v in environment.items() if not n.startswith(("DVC_", "MLFLOW_", "PRUNEMARK_"))}
        done = subprocess.run(
            command, cwd=where or self.folder, env=environment, capture_output=True, text=True, check=judged
        )
        return done.stdout

    def pull(self, remote: str | None) -> None:
        """Bring data/ from a remote by name, from a path, from the default, or from this repository's cache."""
        here = [name.split()[0] for name in dvc("remote", "list").splitlines() if name.strip()]
        default = dvc("config", "core.remote").strip()
        if remote is None and default:
            remote = default
        if remote in here:
            # The URL as this repository has it, also where that is set for this machine alone.
            self.add_remote(dvc("config", f"remote.{remote}.url").strip())
        elif remote is not None:
            self.add_remote(str(Path(remote).resolve()))
        else:
            print("prunemark: no DVC remote is configured: pulled from this repository's own cache, which proves "
                  "nothing about what others can reach", file=sys.stderr)  # fmt: skip
            self.add_remote(dvc("cache", "dir").strip())
        self.run(own_process.command("dvc", "pull", "--quiet"))

    def add_remote(self, url: str) -> None:
        self.run(own_process.command("dvc", "remote", "add", "--quiet", "--local", "--default", CACHE, url))

    def audit(self, count: int | None, budget: float | None, seed: int | None) -> Any:
        words = ["audit", "--json"]
        words += ["--budget", f"{budget:g}s"] if budget is not None else ["--replay", str(count or 1)]
        words += [] if seed is None else ["--seed", str(seed)]
        printed = self.run(own_process.command("prunemark", *words), judged=False)
        try:
            return json.loads(printed)
        except json.JSONDecodeError:
            raise subprocess.CalledProcessError(2, ["prunemark", *words], printed, "no JSON document") from None


def dvc(*arguments: str) -> str:
    done = subprocess.run(own_process.command("dvc", *arguments), capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""
