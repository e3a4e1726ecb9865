"""The steps: what each runs, on what, and with which parameters of params.yaml.

Which of them params.yaml asks for: `prunemark.plan.grid`. Where their folders lie: `prunemark.plan.folders`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from prunemark import registry
from prunemark.plan.axes import checks_on, keyed_copies, sees_labels
from prunemark.plan.folders import (
    CLAIMS,
    Folder,
    Parameters,
    Step,
    check_folder,
    data_folder,
    encoder_folder,
    marked_folder,
    null_folders,
    pruned_folder,
    scores_folder,
)
from prunemark.plan.params import Params
from prunemark.point import Point
from prunemark.requests.request import Request
from prunemark.requests.stage_requests import (
    AlterRequest,
    CheckRequest,
    ControlRequest,
    EvaluateRequest,
    FetchRequest,
    LatencyRequest,
    PruneRequest,
    ReportRequest,
    ShrinkRequest,
    TrainRequest,
    WatermarkRequest,
)

# What runs a pruner of each kind.
COMMANDS = {"pruners": "prune", "structured": "shrink"}
REQUESTS: dict[str, type[PruneRequest]] = {"pruners": PruneRequest, "structured": ShrinkRequest}


def fetch(params: Params, point: Point) -> Step:
    entry, out = params.datasets[point.dataset], data_folder(point.dataset)
    parameters = taking(FetchRequest, entry, dataset=point.dataset, out=out)
    return Step("fetch", out, parameters, (("datasets", entry.method),), (), ())


def train(params: Params, point: Point) -> Step:
    entry, data, out = params.encoders[point.encoder], data_folder(point.dataset), encoder_folder(point)
    parameters = taking(TrainRequest, entry, params, data=data, seed=int(point.seed), out=out)
    used = (architecture(params, point), ("objectives", entry.objective))
    return Step("train", out, parameters, used, (data,), (data,))


def architecture(params: Params, point: Point) -> tuple[str, str]:
    return ("encoders", params.encoders[point.encoder].architecture)


def watermark(params: Params, point: Point) -> Step:
    entry, data, out = params.watermarks[point.watermark], data_folder(point.dataset), marked_folder(point)
    source, nulls = encoder_folder(point), null_folders(params, point)
    parameters = taking(
        WatermarkRequest,
        entry,
        params,
        data=data,
        encoder=source,
        null=nulls,
        key=int(point.key),
        seed=int(point.seed),
        out=out,
    )
    used = (architecture(params, point), ("watermarks", entry.method))
    return Step("watermark", out, parameters, used, (data, source, *nulls), (source, *nulls))


def check(params: Params, point: Point, name: str) -> Step:
    entry, data, nulls = params.checks[name], data_folder(point.dataset), null_folders(params, point)
    marked, out = marked_folder(point), check_folder(point, name)
    parameters = taking(
        CheckRequest,
        entry,
        params,
        data=data,
        marked=marked,
        null=nulls,
        seed=int(point.seed),
        out=out,
    )
    used = (architecture(params, point), ("checks", entry.method))
    return Step("check", out, parameters, used, (data, marked, *nulls), (marked,))


def prune(params: Params, point: Point) -> Step:
    """A mask, or without channels an encoder; the draws of a criterion are equal for all watermarks, keys and rates."""
    entry, trained = params.every_pruner[point.pruner], params.encoders[point.encoder]
    data, source = data_folder(point.dataset), encoder_folder(point)
    marked, out = marked_folder(point), pruned_folder(params, point)
    parameters = taking(
        REQUESTS[entry.kind],
        entry,
        trained,
        params,
        data=data,
        encoder=source,
        marked=marked,
        rate=point.rate,
        objective_set=trained.set,
        epochs=entry.epochs or 0,
        learning_rate=entry.learning_rate or 0.0,
        seed=int(point.seed),
        out=out,
    )
    used = (architecture(params, point), ("objectives", trained.objective), (entry.kind, entry.method))
    return Step(COMMANDS[entry.kind], out, parameters, used, (data, source, marked), (marked,))


def alter(params: Params, point: Point) -> Step:
    """Unlike masks, draws differ from key to key: copies under several keys are trials of one alteration."""
    entry, trained = params.alterations[point.pruner], params.encoders[point.encoder]
    data, marked, out = data_folder(point.dataset), marked_folder(point), pruned_folder(params, point)
    parameters = taking(
        AlterRequest,
        entry,
        trained,
        params,
        data=data,
        marked=marked,
        strength=point.rate,
        objective_set=trained.set,
        key=int(point.key),
        seed=int(point.seed),
        out=out,
    )
    loaded = registry.named_by("alterations", entry.method, entry.set)
    used = (architecture(params, point), ("objectives", trained.objective), ("alterations", entry.method), *loaded)
    return Step("alter", out, parameters, used, (data, marked), (marked,))


def evaluate(params: Params, point: Point) -> Step:
    """The scores of one cell on one probe dataset; for the original there is no mask and nothing to compare with."""
    marked, data = marked_folder(point), data_folder(point.probe)
    downstream = point.probe != point.dataset
    names = [name for name in checks_on(params, point.watermark) if not downstream or sees_labels(params, name)]
    checks = [check_folder(point, name) for name in names]
    out = scores_folder(point)
    reads: tuple[Folder, ...] = (data, marked, *checks)
    needs = reads if downstream else (marked, *checks)
    compared: dict[str, Folder] = {}
    if not point.is_original:
        mask, original = pruned_folder(params, point), scores_folder(point.original)
        reads, needs = (*reads, mask, original), (mask, original)
        compared = {"pruned": mask, "original": original}
    parameters = taking(EvaluateRequest, params, data=data, marked=marked, check=checks, out=out, **compared)
    methods = sorted({params.checks[name].method for name in names})
    own = ("watermarks", params.watermarks[point.watermark].method)
    used = (architecture(params, point), own, *(("checks", name) for name in methods))
    return Step("evaluate", out, parameters, used, reads, needs)


def evaluate_original(params: Params, point: Point) -> Step:
    return evaluate(params, point.original)


def control(params: Params, point: Point) -> Step:
    """The scores of a control that no training made: the untrained initialisation, or the raw pixels. Its name stands
    in the place of the watermark."""
    trained, data = encoder_folder(point), data_folder(point.probe)
    out = Folder.of("scores", point.original._replace(key="0"))
    parameters = taking(ControlRequest, params, control=point.watermark, data=data, encoder=trained, out=out)
    used = (architecture(params, point),) if point.watermark == "untrained" else ()
    reads = (data, trained)
    needs = reads if point.probe != point.dataset else (trained,)
    return Step("control", out, parameters, used, reads, needs)


def latency(params: Params, point: Point) -> Step:
    """The times of one pruner's encoders beside their original: of the first seed, watermark and key, since the shapes
    and zeros of all others are alike."""
    watermark, key = keyed_copies(params)[0]
    timed = point._replace(seed=str(params.seeds[0]), watermark=watermark, key=key)
    marked, out = marked_folder(timed), Folder.of("latency", point)
    pruned = [pruned_folder(params, timed._replace(rate=rate)) for rate in params.rates_of(point.pruner)]
    parameters = taking(LatencyRequest, params, marked=marked, pruned=pruned, out=out)
    reads = (marked, *pruned)
    return Step("latency", out, parameters, (architecture(params, point),), reads, tuple(pruned))


def report(params: Params, needs: tuple[Folder, ...]) -> Step:
    """Everything that was evaluated, in one page and its tables."""
    out = Folder("report", "data/report")
    parameters = taking(ReportRequest, asked=params.digest(), claims=Path(CLAIMS), out=out)
    described = tuple((kind, method) for _, kind, method in registry.named_in(params.model_dump(mode="json")))
    return Step("report", out, parameters, (), needs, needs, (CLAIMS,), described)


def taking(kind: type[Request], *entries: BaseModel, **given: Any) -> Callable[[], Parameters]:
    """What gives the parameters of a request: the fields given, and all others from the first of these parts of
    params.yaml that has one of that name. They take longest of all in planning, and few steps are asked for them."""

    def parameters() -> Parameters:
        values = {name: as_paths(value) for name, value in given.items()}
        open_fields = [field.name for field in fields(kind) if field.name not in given]
        for entry in reversed(entries):
            values |= {name: getattr(entry, name) for name in open_fields if name in type(entry).model_fields}
        return kind(**values).parameters()

    return parameters


def as_paths(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [as_paths(one) for one in value]
    return Path(value) if isinstance(value, Folder) else value
