"""The grid: which steps params.yaml asks for.

The Snakefile builds its rules from these and the audit compares receipts with them, so that what is planned, what is
run and what is accepted are one thing. What each step is: `prunemark.plan.steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from prunemark.plan import steps as planned
from prunemark.plan.axes import altered, checks_on, keyed_copies, probes, pruned
from prunemark.plan.folders import STAGES, Step
from prunemark.plan.params import CONTROLS, Params
from prunemark.point import ORIGINAL, Point


def steps(params: Params, stage: str) -> Iterator[Step]:
    """All steps of a stage that params.yaml asks for, in the order of the paths."""
    if stage == "fetch":
        yield from (planned.fetch(params, Point(dataset)) for dataset in params.datasets)
    elif stage == "train":
        yield from (planned.train(params, point) for point in trained(params, [*params.seeds, *params.null_seeds]))
    elif stage == "watermark":
        for point in marked(params):
            yield planned.watermark(params, point)
            yield from (planned.check(params, point, name) for name in checks_on(params, point.watermark))
    elif stage == "prune":
        yield from (planned.prune(params, point.under(*way)) for point, way in product(marked(params), pruned(params)))
        yield from (planned.alter(params, point.under(*way)) for point, way in product(marked(params), altered(params)))
    elif stage == "evaluate":
        yield from evaluations(params)
    elif stage == "report":
        yield report(params)


def trained(params: Params, seeds: Iterable[int]) -> list[Point]:
    """The encoders that are trained, of some seeds."""
    cells = product(params.pretrained, params.encoders, map(str, seeds))
    return [Point(dataset, encoder, seed) for dataset, encoder, seed in cells]


def marked(params: Params) -> list[Point]:
    """Every encoder with every watermark, under each of its keys."""
    return [
        point._replace(watermark=name, key=key)
        for point, (name, key) in product(trained(params, params.seeds), keyed_copies(params))
    ]


def evaluations(params: Params) -> Iterator[Step]:
    """Cells and their originals, then controls, then latencies."""
    for point, way in product(marked(params), [ORIGINAL, *pruned(params), *altered(params)]):
        for probe in probes(params, point.dataset):
            yield planned.evaluate(params, point.under(*way)._replace(probe=probe))
    for point, name in product(trained(params, params.seeds), CONTROLS):
        for probe in probes(params, point.dataset):
            yield planned.control(params, point._replace(watermark=name, probe=probe))
    for dataset, encoder, name in product(params.pretrained, params.encoders, params.every_pruner):
        if params.rates_of(name):
            yield planned.latency(params, Point(dataset, encoder, pruner=name))


def report(params: Params) -> Step:
    return planned.report(params, tuple(step.folder for step in steps(params, "evaluate")))


def all_steps(params: Params) -> list[Step]:
    return [step for stage in STAGES for step in steps(params, stage)]
