"""The steps: what each runs, on what, and with which parameters of params.yaml.

Which of them params.yaml asks for: `prunemark.plan.grid`. Where their folders lie: `prunemark.plan.folders`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from prunemark import registry
from prunemark.plan.axes import checks_on, keyed_copies, sees_labels
from prunemark.plan.folders import (
    CLAIMS,
    Folder,
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

Asked = TypeVar("Asked", bound=Request)
# What runs a pruner of each kind.
COMMANDS = {"pruners": "prune", "structured": "shrink"}
REQUESTS: dict[str, type[PruneRequest]] = {"pruners": PruneRequest, "structured": ShrinkRequest}


def fetch(params: Params, point: Point) -> Step:
    entry, out = params.datasets[point.dataset], data_folder(point.dataset)
    request = taking(FetchRequest, entry, dataset=point.dataset, out=Path(out))
    return Step("fetch", out, request.parameters(), (("datasets", entry.method),), (), ())


def train(params: Params, point: Point) -> Step:
    entry, data, out = params.encoders[point.encoder], data_folder(point.dataset), encoder_folder(point)
    request = taking(TrainRequest, entry, params, data=Path(data), seed=int(point.seed), out=Path(out))
    used = (architecture(params, point), ("objectives", entry.objective))
    return Step("train", out, request.parameters(), used, (data,), (data,))


def architecture(params: Params, point: Point) -> tuple[str, str]:
    return ("encoders", params.encoders[point.encoder].architecture)


def watermark(params: Params, point: Point) -> Step:
    entry, data, out = params.watermarks[point.watermark], data_folder(point.dataset), marked_folder(point)
    source, nulls = encoder_folder(point), null_folders(params, point)
    request = taking(
        WatermarkRequest,
        entry,
        params,
        data=Path(data),
        encoder=Path(source),
        null=paths(nulls),
        key=int(point.key),
        seed=int(point.seed),
        out=Path(out),
    )
    used = (architecture(params, point), ("watermarks", entry.method))
    return Step("watermark", out, request.parameters(), used, (data, source, *nulls), (source, *nulls))


def check(params: Params, point: Point, name: str) -> Step:
    entry, data, nulls = params.checks[name], data_folder(point.dataset), null_folders(params, point)
    marked, out = marked_folder(point), check_folder(point, name)
    request = taking(
        CheckRequest,
        entry,
        params,
        data=Path(data),
        marked=Path(marked),
        null=paths(nulls),
        seed=int(point.seed),
        out=Path(out),
    )
    used = (architecture(params, point), ("checks", entry.method))
    return Step("check", out, request.parameters(), used, (data, marked, *nulls), (marked,))


def prune(params: Params, point: Point) -> Step:
    """A mask, or without channels an encoder; the draws of a criterion are equal for all watermarks, keys and rates."""
    entry, trained = params.every_pruner[point.pruner], params.encoders[point.encoder]
    data, source = data_folder(point.dataset), encoder_folder(point)
    marked, out = marked_folder(point), pruned_folder(params, point)
    request = taking(
        REQUESTS[entry.kind],
        entry,
        trained,
        params,
        data=Path(data),
        encoder=Path(source),
        marked=Path(marked),
        rate=point.rate,
        objective_set=trained.set,
        epochs=entry.epochs or 0,
        learning_rate=entry.learning_rate or 0.0,
        seed=int(point.seed),
        out=Path(out),
    )
    used = (architecture(params, point), ("objectives", trained.objective), (entry.kind, entry.method))
    return Step(COMMANDS[entry.kind], out, request.parameters(), used, (data, source, marked), (marked,))


def alter(params: Params, point: Point) -> Step:
    """Unlike masks, draws differ from key to key: copies under several keys are trials of one alteration."""
    entry, trained = params.alterations[point.pruner], params.encoders[point.encoder]
    data, marked, out = data_folder(point.dataset), marked_folder(point), pruned_folder(params, point)
    request = taking(
        AlterRequest,
        entry,
        trained,
        params,
        data=Path(data),
        marked=Path(marked),
        strength=point.rate,
        objective_set=trained.set,
        key=int(point.key),
        seed=int(point.seed),
        out=Path(out),
    )
    used = (architecture(params, point), ("objectives", trained.objective), ("alterations", entry.method))
    return Step("alter", out, request.parameters(), used, (data, marked), (marked,))


def evaluate(params: Params, point: Point) -> Step:
    """The scores of one cell on one probe dataset; for the original there is no mask and nothing to compare with."""
    marked, data = marked_folder(point), data_folder(point.probe)
    downstream = point.probe != point.dataset
    names = [name for name in checks_on(params, point.watermark) if not downstream or sees_labels(params, name)]
    checks = [check_folder(point, name) for name in names]
    out = scores_folder(point)
    reads: tuple[Folder, ...] = (data, marked, *checks)
    needs = reads if downstream else (marked, *checks)
    request = taking(EvaluateRequest, params, data=Path(data), marked=Path(marked), check=paths(checks), out=Path(out))
    if not point.is_original:
        mask, original = pruned_folder(params, point), scores_folder(point.original)
        reads, needs = (*reads, mask, original), (mask, original)
        request = replace(request, pruned=Path(mask), original=Path(original))
    methods = sorted({params.checks[name].method for name in names})
    own = ("watermarks", params.watermarks[point.watermark].method)
    used = (architecture(params, point), own, *(("checks", name) for name in methods))
    return Step("evaluate", out, request.parameters(), used, reads, needs)


def evaluate_original(params: Params, point: Point) -> Step:
    return evaluate(params, point.original)


def control(params: Params, point: Point) -> Step:
    """The scores of a control that no training made: the untrained initialisation, or the raw pixels. Its name stands
    in the place of the watermark."""
    trained, data = encoder_folder(point), data_folder(point.probe)
    out = Folder.of("scores", point.original._replace(key="0"))
    request = taking(
        ControlRequest, params, control=point.watermark, data=Path(data), encoder=Path(trained), out=Path(out)
    )
    used = (architecture(params, point),) if point.watermark == "untrained" else ()
    reads = (data, trained)
    needs = reads if point.probe != point.dataset else (trained,)
    return Step("control", out, request.parameters(), used, reads, needs)


def latency(params: Params, point: Point) -> Step:
    """The times of one pruner's encoders beside their original: of the first seed, watermark and key, since the shapes
    and zeros of all others are alike."""
    watermark, key = keyed_copies(params)[0]
    timed = point._replace(seed=str(params.seeds[0]), watermark=watermark, key=key)
    marked, out = marked_folder(timed), Folder.of("latency", point)
    pruned = [pruned_folder(params, timed._replace(rate=rate)) for rate in params.rates_of(point.pruner)]
    request = taking(LatencyRequest, params, marked=Path(marked), pruned=paths(pruned), out=Path(out))
    reads = (marked, *pruned)
    return Step("latency", out, request.parameters(), (architecture(params, point),), reads, tuple(pruned))


def report(params: Params, needs: tuple[Folder, ...]) -> Step:
    """Everything that was evaluated, in one page and its tables."""
    out = Folder("report", "data/report")
    request = ReportRequest(asked=params.digest(), claims=Path(CLAIMS), out=Path(out))
    described = tuple((kind, method) for _, kind, method in registry.named_in(params.model_dump(mode="json")))
    return Step("report", out, request.parameters(), (), needs, needs, (CLAIMS,), described)


def taking(kind: type[Asked], *entries: BaseModel, **given: Any) -> Asked:
    """The request with the fields given; all others from the first of these parts of params.yaml that has one of that
    name."""
    open_fields = [field.name for field in fields(kind) if field.name not in given]
    for entry in reversed(entries):
        given |= {name: getattr(entry, name) for name in open_fields if name in type(entry).model_fields}
    return kind(**given)


def paths(folders: Iterable[Folder]) -> list[Path]:
    return [Path(folder) for folder in folders]
