"""The steps: what each runs, on what, and with which parameters of params.yaml.

Which of them params.yaml asks for: `prunemark.plan.grid`. Where their folders lie: `prunemark.plan.folders`.
"""

from __future__ import annotations

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

# What runs a pruner of each kind.
COMMANDS = {"pruners": "prune", "structured": "shrink"}


def fetch(params: Params, point: Point) -> Step:
    entry, out = params.datasets[point.dataset], data_folder(point.dataset)
    parameters = {
        "dataset": point.dataset,
        "method": entry.method,
        "set": entry.set,
        "heldout": entry.heldout,
        "keypool": entry.keypool,
        "out": out,
    }
    return Step("fetch", out, parameters, (("datasets", entry.method),), (), ())


def train(params: Params, point: Point) -> Step:
    entry, data, out = params.encoders[point.encoder], data_folder(point.dataset), encoder_folder(point)
    parameters = {
        "data": data,
        "objective": entry.objective,
        "set": entry.set,
        "architecture": entry.architecture,
        "width": entry.width,
        "epochs": entry.epochs,
        "batch-size": entry.batch_size,
        "optimizer": entry.optimizer,
        "learning-rate": entry.learning_rate,
        "warmup-epochs": entry.warmup_epochs,
        "momentum": entry.momentum,
        "weight-decay": entry.weight_decay,
        "seed": int(point.seed),
        "threads": params.threads,
        "device": params.device,
        "out": out,
    }
    used = (architecture(params, point), ("objectives", entry.objective))
    return Step("train", out, parameters, used, (data,), (data,))


def architecture(params: Params, point: Point) -> tuple[str, str]:
    return ("encoders", params.encoders[point.encoder].architecture)


def watermark(params: Params, point: Point) -> Step:
    entry, data, out = params.watermarks[point.watermark], data_folder(point.dataset), marked_folder(point)
    source, nulls = encoder_folder(point), null_folders(params, point)
    parameters = {
        "data": data,
        "encoder": source,
        "null": nulls,
        "method": entry.method,
        "set": entry.set,
        "key": int(point.key),
        "seed": int(point.seed),
        "head-images": params.head_images,
        "threads": params.threads,
        "out": out,
    }
    used = (architecture(params, point), ("watermarks", entry.method))
    return Step("watermark", out, parameters, used, (data, source, *nulls), (source, *nulls))


def check(params: Params, point: Point, name: str) -> Step:
    entry, data, nulls = params.checks[name], data_folder(point.dataset), null_folders(params, point)
    marked, out = marked_folder(point), check_folder(point, name)
    parameters = {
        "data": data,
        "marked": marked,
        "null": nulls,
        "method": entry.method,
        "set": entry.set,
        "keys": entry.keys,
        "seed": int(point.seed),
        "head-images": params.head_images,
        "threads": params.threads,
        "out": out,
    }
    used = (architecture(params, point), ("checks", entry.method))
    return Step("check", out, parameters, used, (data, marked, *nulls), (marked,))


def prune(params: Params, point: Point) -> Step:
    """A mask, or without channels an encoder; the draws of a criterion are equal for all watermarks, keys and rates."""
    entry, trained = params.every_pruner[point.pruner], params.encoders[point.encoder]
    data, source = data_folder(point.dataset), encoder_folder(point)
    marked, out = marked_folder(point), pruned_folder(params, point)
    parameters: Parameters = {
        "data": data,
        "encoder": source,
        "marked": marked,
        "method": entry.method,
        "set": entry.set,
        "scope": entry.scope,
        "rate": point.rate,
        "rounds": entry.rounds,
        "recovery": entry.recovery,
        "objective": trained.objective,
        "objective-set": trained.set,
        "batch-size": trained.batch_size,
        "seed": int(point.seed),
        "threads": params.threads,
        "out": out,
    }
    if entry.tunes:
        parameters |= {
            "epochs": entry.epochs,
            "learning-rate": entry.learning_rate,
            "optimizer": trained.optimizer,
            "momentum": trained.momentum,
            "weight-decay": trained.weight_decay,
            "device": params.device,
        }
    used = (architecture(params, point), ("objectives", trained.objective), (entry.kind, entry.method))
    return Step(COMMANDS[entry.kind], out, parameters, used, (data, source, marked), (marked,))


def alter(params: Params, point: Point) -> Step:
    """Unlike masks, draws differ from key to key: copies under several keys are trials of one alteration."""
    entry, trained = params.alterations[point.pruner], params.encoders[point.encoder]
    data, marked, out = data_folder(point.dataset), marked_folder(point), pruned_folder(params, point)
    parameters = {
        "data": data,
        "marked": marked,
        "method": entry.method,
        "set": entry.set,
        "strength": point.rate,
        "objective": trained.objective,
        "objective-set": trained.set,
        "batch-size": trained.batch_size,
        "optimizer": trained.optimizer,
        "momentum": trained.momentum,
        "weight-decay": trained.weight_decay,
        "key": int(point.key),
        "seed": int(point.seed),
        "threads": params.threads,
        "device": params.device,
        "out": out,
    }
    used = (architecture(params, point), ("objectives", trained.objective), ("alterations", entry.method))
    return Step("alter", out, parameters, used, (data, marked), (marked,))


def evaluate(params: Params, point: Point) -> Step:
    """The scores of one cell on one probe dataset; for the original there is no mask and nothing to compare with."""
    marked, data = marked_folder(point), data_folder(point.probe)
    downstream = point.probe != point.dataset
    names = [name for name in checks_on(params, point.watermark) if not downstream or sees_labels(params, name)]
    checks = [check_folder(point, name) for name in names]
    out = scores_folder(point)
    parameters: Parameters = {"data": data, "marked": marked, "check": checks}
    reads: tuple[Folder, ...] = (data, marked, *checks)
    needs = reads if downstream else (marked, *checks)
    if not point.is_original:
        mask, original = pruned_folder(params, point), scores_folder(point.original)
        parameters |= {"pruned": mask, "original": original}
        reads, needs = (*reads, mask, original), (mask, original)
    parameters |= {"head-images": params.head_images, "threads": params.threads, "out": out}
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
    parameters = {
        "control": point.watermark,
        "data": data,
        "encoder": trained,
        "head-images": params.head_images,
        "threads": params.threads,
        "out": out,
    }
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
    parameters = {"marked": marked, "pruned": pruned, "threads": params.threads, "out": out}
    reads = (marked, *pruned)
    return Step("latency", out, parameters, (architecture(params, point),), reads, tuple(pruned))


def report(params: Params, needs: tuple[Folder, ...]) -> Step:
    """Everything that was evaluated, in one page and its tables."""
    out = Folder("report", "data/report")
    parameters = {"params": "params.yaml", "asked": params.digest(), "claims": CLAIMS, "out": out}
    return Step("report", out, parameters, (), needs, needs, (CLAIMS,))
