import functools
import os
import sys

from prunemark import closure, grid, lock
from prunemark.errors import PrunemarkError
from prunemark.params import read_params
from prunemark.record import flags

try:
    PARAMS = read_params()
except PrunemarkError as error:
    print(f"prunemark: {error}", file=sys.stderr)
    sys.exit(2)


def either(names):
    return "|".join(re.escape(name) for name in names)


wildcard_constraints:
    dataset=either(PARAMS.datasets),
    probe=either(PARAMS.datasets),
    encoder=either(PARAMS.encoders),
    seed=r"\d+",
    watermark=either(PARAMS.watermarks),
    key=r"\d+",
    check=either(PARAMS.checks) or "none",
    pruner=either(PARAMS.pruners),
    rate=r"0\.\d+",
    control=either(grid.CONTROLS),


def outputs(stage):
    return [path for step in grid.steps(PARAMS, stage) for path in step.outputs]


# Snakemake asks for a job's inputs and parameters again and again.
@functools.cache
def made(step, *wildcards):
    return step(PARAMS, *wildcards)


# Receipts are the edges: small, so Snakemake compares their contents. What they vouch for is only asked to exist.
def receipts(step):
    return lambda w: [folder.receipt for folder in made(step, *w).needs]


def artefacts(step):
    return lambda w: [path for folder in made(step, *w).needs for path in folder.artefacts]


def code(step):
    return lambda w: closure.files(made(step, *w).command, made(step, *w).methods)


def options(step):
    return lambda w: flags(made(step, *w).parameters)


# `prunemark build` holds the lock itself, and ends a full build itself; DVC ends its own.
def hold_build_lock():
    if "PRUNEMARK_BUILD" not in os.environ:
        lock.hold()


def finish_build():
    if "PRUNEMARK_BUILD" not in os.environ and "DVC_STAGE" not in os.environ:
        shell("PRUNEMARK_BUILD=1 prunemark finish")  # the lock is ours
