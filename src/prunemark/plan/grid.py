"""The grid: which steps params.yaml asks for.

The Snakefile builds its rules from these and the audit compares receipts with them, so that what is planned, what is
run and what is accepted are one thing. What each step is: `prunemark.plan.steps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from prunemark.plan import steps as made
from prunemark.plan.axes import altered, checks_on, keyed_copies, probes, pruned
from prunemark.plan.folders import ORIGINAL, STAGES, Step
from prunemark.plan.params import CONTROLS, Params


def steps(params: Params, stage: str) -> Iterator[Step]:
    """All steps of a stage that params.yaml asks for, in the order of the paths."""
    seeds = [str(seed) for seed in params.seeds]
    encoders = list(product(params.pretrained, params.encoders))
    marked = [(*encoder, seed, *copy) for encoder, seed, copy in product(encoders, seeds, keyed_copies(params))]
    if stage == "fetch":
        yield from (made.fetch(params, dataset) for dataset in params.datasets)
    elif stage == "train":
        every = seeds + [str(seed) for seed in params.null_seeds]
        yield from (made.train(params, *cell, seed) for cell, seed in product(encoders, every))
    elif stage == "watermark":
        for cell in marked:
            yield made.watermark(params, *cell)
            yield from (made.check(params, *cell, name) for name in checks_on(params, cell[3]))
    elif stage == "prune":
        yield from (made.prune(params, *cell, *how) for cell, how in product(marked, pruned(params)))
        yield from (made.alter(params, *cell, *how) for cell, how in product(marked, altered(params)))
    elif stage == "evaluate":
        ways = [ORIGINAL, *pruned(params), *altered(params)]
        for cell, how in product(marked, ways):
            yield from (made.evaluate(params, *cell, *how, probe) for probe in probes(params, cell[0]))
        for (dataset, encoder), seed, name in product(encoders, seeds, CONTROLS):
            yield from (made.control(params, dataset, encoder, seed, name, probe) for probe in probes(params, dataset))
        for (dataset, encoder), name in product(encoders, params.every_pruner):
            if params.rates_of(name):
                yield made.latency(params, dataset, encoder, name)
    elif stage == "report":
        yield report(params)


def report(params: Params) -> Step:
    return made.report(params, tuple(step.folder for step in steps(params, "evaluate")))


def all_steps(params: Params) -> list[Step]:
    return [step for stage in STAGES for step in steps(params, stage)]
