import atexit
import contextlib
import functools
import gc
import os
import sys
from pathlib import Path

from prunemark.receipts import code_identity
from prunemark.plan import grid, folders, steps
from prunemark.engine import lock, forkserver
from prunemark.claims.file import read_claims
from prunemark.errors import PrunemarkError
from prunemark.plan.params import CONTROLS
from prunemark.plan.params_file import read_params
from prunemark.formats.receipt import flags
from prunemark.point import Point

try:
    PARAMS = read_params()
    read_claims(Path(folders.CLAIMS), PARAMS.model_dump(mode="json"))  # a fault in it is said before hours of work
except PrunemarkError as error:
    print(f"prunemark: {error}", file=sys.stderr)
    sys.exit(2)

# A plan is millions of objects that stay: without this, a third of planning goes to looking through them for garbage.
gc.set_threshold(1_000_000)


def either(names):
    return "|".join(re.escape(name) for name in names) or "none"


wildcard_constraints:
    dataset=either(PARAMS.datasets),
    probe=either(PARAMS.datasets),
    encoder=either(PARAMS.encoders),
    seed=r"\d+",
    watermark=either(PARAMS.watermarks),
    key=r"\d+",
    check=either(PARAMS.checks),
    pruner=either([name for name in PARAMS.pruners if folders.left_by(PARAMS, name) == "mask"]),
    recovered=either([name for name in PARAMS.pruners if folders.left_by(PARAMS, name) == "recovered"]),
    structured=either(PARAMS.structured),
    rate=r"0\.\d+",
    alteration=either(PARAMS.alterations),
    strength=r"\d+(?:\.\d+)?",
    timed=either(PARAMS.every_pruner),
    way=either([*PARAMS.every_pruner, *PARAMS.alterations]),
    degree=r"\d+(?:\.\d+)?",
    control=either(CONTROLS),


# A target names all that it stands on: Snakemake makes nothing that is missing above what is there.
def outputs_through(stage):
    stages = folders.STAGES[: folders.STAGES.index(stage) + 1]
    return lambda w: [path for name in stages for step in grid.steps(PARAMS, name) for path in step.outputs]


# The wildcards that stand for another field of a point than their names say: what tells rules apart is the wildcard.
FIELDS = {
    **dict.fromkeys(("recovered", "structured", "alteration", "way", "timed"), "pruner"),
    **dict.fromkeys(("strength", "degree"), "rate"),
    "control": "watermark",
}


def planned(step, wildcards):
    names = {FIELDS.get(name, name): value for name, value in wildcards.items()}
    check = [names.pop("check")] if "check" in names else []
    return planned_at(step, *([Point(**names)] if names else []), *check)


# Snakemake asks for a job's inputs and parameters again and again.
@functools.cache
def planned_at(step, *place):
    return step(PARAMS, *place)


# Receipts are the edges: small, so Snakemake compares their contents, which hold the hashes of all else.
def receipts(step):
    return lambda w: [folder.receipt for folder in planned(step, w).needs]


def code(step):
    def manifest(wildcards):
        one = planned(step, wildcards)
        return code_identity.manifest(one.command, one.methods, one.described)

    return manifest


def options(step):
    return lambda w: flags(planned(step, w).parameters)


# What a step says goes to its log; of a step that fails, it is shown too.
def logged(command):
    return command.join(("", " 2> {log} || {{ cat {log} >&2; exit 2; }}"))


# `prunemark build` holds the lock itself, has a fork server itself, and ends a full build itself; DVC ends its own.
def start_build():
    if workflow.local_exec:
        # With a limit of jobs per second (100 by default) Snakemake 9.27 starts a timer in every round of scheduling,
        # whose end begins a round with a timer of its own: after some hundred jobs they keep a fifth of a core busy.
        workflow.scheduler.job_rate_limiter = None
    if "PRUNEMARK_BUILD" not in os.environ:
        lock.hold()
        if workflow.local_exec:
            until_exit = contextlib.ExitStack()
            atexit.register(until_exit.close)
            os.environ.update(until_exit.enter_context(forkserver.started()))


def finish_build():
    if "PRUNEMARK_BUILD" not in os.environ and "DVC_STAGE" not in os.environ:
        shell("PRUNEMARK_BUILD=1 prunemark finish")  # the lock is ours
