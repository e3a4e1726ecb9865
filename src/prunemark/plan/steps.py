"""The steps: what each runs, on what, and with which parameters of params.yaml.

Which of them params.yaml asks for: `prunemark.plan.grid`. Where their folders lie: `prunemark.plan.folders`.
"""

from __future__ import annotations

from prunemark import registry
from prunemark.plan.axes import checks_on, keyed_copies, sees_labels
from prunemark.plan.folders import (
    CLAIMS,
    ORIGINAL,
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

# What runs a pruner of each kind.
COMMANDS = {"pruners": "prune", "structured": "shrink"}


def fetch(params: Params, dataset: str) -> Step:
    entry, out = params.datasets[dataset], data_folder(dataset)
    parameters = {
        "dataset": dataset,
        "method": entry.method,
        "set": entry.set,
        "heldout": entry.heldout,
        "keypool": entry.keypool,
        "out": out,
    }
    return Step("fetch", out, parameters, (("datasets", entry.method),), (), ())


def train(params: Params, dataset: str, encoder: str, seed: str) -> Step:
    entry, data, out = params.encoders[encoder], data_folder(dataset), encoder_folder(dataset, encoder, seed)
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
        "seed": int(seed),
        "threads": params.threads,
        "device": params.device,
        "out": out,
    }
    used = (architecture(params, encoder), ("objectives", entry.objective))
    return Step("train", out, parameters, used, (data,), (data,))


def architecture(params: Params, encoder: str) -> tuple[str, str]:
    return ("encoders", params.encoders[encoder].architecture)


def watermark(params: Params, dataset: str, encoder: str, seed: str, watermark: str, key: str) -> Step:
    entry, data = params.watermarks[watermark], data_folder(dataset)
    out = marked_folder(dataset, encoder, seed, watermark, key)
    source, nulls = encoder_folder(dataset, encoder, seed), null_folders(params, dataset, encoder)
    parameters = {
        "data": data,
        "encoder": source,
        "null": nulls,
        "method": entry.method,
        "set": entry.set,
        "key": int(key),
        "seed": int(seed),
        "head-images": params.head_images,
        "threads": params.threads,
        "out": out,
    }
    used = (architecture(params, encoder), ("watermarks", entry.method))
    return Step("watermark", out, parameters, used, (data, source, *nulls), (source, *nulls))


def check(params: Params, dataset: str, encoder: str, seed: str, watermark: str, key: str, check: str) -> Step:
    entry, data, cell = params.checks[check], data_folder(dataset), (dataset, encoder, seed, watermark, key)
    marked, out, nulls = marked_folder(*cell), check_folder(cell, check), null_folders(params, dataset, encoder)
    parameters = {
        "data": data,
        "marked": marked,
        "null": nulls,
        "method": entry.method,
        "set": entry.set,
        "keys": entry.keys,
        "seed": int(seed),
        "head-images": params.head_images,
        "threads": params.threads,
        "out": out,
    }
    used = (architecture(params, encoder), ("checks", entry.method))
    return Step("check", out, parameters, used, (data, marked, *nulls), (marked,))


def prune(
    params: Params, dataset: str, encoder: str, seed: str, watermark: str, key: str, pruner: str, rate: str
) -> Step:
    """A mask, or without channels an encoder; the draws of a criterion are equal for all watermarks, keys and rates."""
    entry, trained = params.every_pruner[pruner], params.encoders[encoder]
    data, source = data_folder(dataset), encoder_folder(dataset, encoder, seed)
    marked_cell = (dataset, encoder, seed, watermark, key)
    marked, out = marked_folder(*marked_cell), pruned_folder(params, *marked_cell, pruner, rate)
    parameters: Parameters = {
        "data": data,
        "encoder": source,
        "marked": marked,
        "method": entry.method,
        "set": entry.set,
        "scope": entry.scope,
        "rate": rate,
        "rounds": entry.rounds,
        "recovery": entry.recovery,
        "objective": trained.objective,
        "objective-set": trained.set,
        "batch-size": trained.batch_size,
        "seed": int(seed),
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
    used = (architecture(params, encoder), ("objectives", trained.objective), (entry.kind, entry.method))
    return Step(COMMANDS[entry.kind], out, parameters, used, (data, source, marked), (marked,))


def alter(
    params: Params, dataset: str, encoder: str, seed: str, watermark: str, key: str, alteration: str, strength: str
) -> Step:
    """Unlike masks, draws differ from key to key: copies under several keys are trials of one alteration."""
    entry, trained = params.alterations[alteration], params.encoders[encoder]
    marked_cell, data = (dataset, encoder, seed, watermark, key), data_folder(dataset)
    marked, out = marked_folder(*marked_cell), pruned_folder(params, *marked_cell, alteration, strength)
    parameters = {
        "data": data,
        "marked": marked,
        "method": entry.method,
        "set": entry.set,
        "strength": strength,
        "objective": trained.objective,
        "objective-set": trained.set,
        "batch-size": trained.batch_size,
        "optimizer": trained.optimizer,
        "momentum": trained.momentum,
        "weight-decay": trained.weight_decay,
        "key": int(key),
        "seed": int(seed),
        "threads": params.threads,
        "device": params.device,
        "out": out,
    }
    used = (architecture(params, encoder), ("objectives", trained.objective), ("alterations", entry.method))
    return Step("alter", out, parameters, used, (data, marked), (marked,))


def evaluate(
    params: Params, dataset: str, encoder: str, seed: str, watermark: str, key: str, pruner: str, rate: str, probe: str
) -> Step:
    """The scores of one cell on one probe dataset; for the original there is no mask and nothing to compare with."""
    marked_cell = (dataset, encoder, seed, watermark, key)
    marked, data = marked_folder(*marked_cell), data_folder(probe)
    names = [name for name in checks_on(params, watermark) if probe == dataset or sees_labels(params, name)]
    checks = [check_folder(marked_cell, name) for name in names]
    out = scores_folder(*marked_cell, pruner, rate, probe)
    parameters: Parameters = {"data": data, "marked": marked, "check": checks}
    reads: tuple[Folder, ...] = (data, marked, *checks)
    needs = reads if probe != dataset else (marked, *checks)
    if (pruner, rate) != ORIGINAL:
        mask = pruned_folder(params, *marked_cell, pruner, rate)
        original = scores_folder(*marked_cell, *ORIGINAL, probe)
        parameters |= {"pruned": mask, "original": original}
        reads, needs = (*reads, mask, original), (mask, original)
    parameters |= {"head-images": params.head_images, "threads": params.threads, "out": out}
    methods = sorted({params.checks[name].method for name in names})
    own = ("watermarks", params.watermarks[watermark].method)
    used = (architecture(params, encoder), own, *(("checks", name) for name in methods))
    return Step("evaluate", out, parameters, used, reads, needs)


def evaluate_original(
    params: Params, dataset: str, encoder: str, seed: str, watermark: str, key: str, probe: str
) -> Step:
    return evaluate(params, dataset, encoder, seed, watermark, key, *ORIGINAL, probe)


def control(params: Params, dataset: str, encoder: str, seed: str, name: str, probe: str) -> Step:
    """The scores of a control that no training made: the untrained initialisation, or the raw pixels."""
    trained, data = encoder_folder(dataset, encoder, seed), data_folder(probe)
    out = Folder.of("scores", "evaluate", dataset, encoder, seed, name, "0", *ORIGINAL, probe)
    parameters = {
        "control": name,
        "data": data,
        "encoder": trained,
        "head-images": params.head_images,
        "threads": params.threads,
        "out": out,
    }
    used = (architecture(params, encoder),) if name == "untrained" else ()
    reads = (data, trained)
    needs = reads if probe != dataset else (trained,)
    return Step("control", out, parameters, used, reads, needs)


def latency(params: Params, dataset: str, encoder: str, pruner: str) -> Step:
    """The times of one pruner's encoders beside their original: of the first seed, watermark and key, since the shapes
    and zeros of all others are alike."""
    cell = (dataset, encoder, str(params.seeds[0]), *keyed_copies(params)[0])
    marked, out = marked_folder(*cell), Folder.of("latency", "evaluate", dataset, encoder, "latency", pruner)
    pruned = [pruned_folder(params, *cell, pruner, rate) for rate in params.rates_of(pruner)]
    parameters = {"marked": marked, "pruned": pruned, "threads": params.threads, "out": out}
    reads = (marked, *pruned)
    return Step("latency", out, parameters, (architecture(params, encoder),), reads, tuple(pruned))


def report(params: Params, needs: tuple[Folder, ...]) -> Step:
    """Everything that was evaluated, in one page and its tables."""
    out = Folder.of("report", "report")
    parameters = {"params": "params.yaml", "asked": params.digest(), "claims": CLAIMS, "out": out}
    described = tuple((kind, method) for _, kind, method in registry.named_in(params.model_dump(mode="json")))
    return Step("report", out, parameters, (), needs, needs, (CLAIMS,), described)
