"""The command line of the stages: a sub-command per step of the graph, each a thin call.

Heavy imports wait until their command runs.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from prunemark import registry
from prunemark.errors import PrunemarkError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Settings = Annotated[list[str], typer.Option("--set", help="a setting of the method, as name=value; repeatable")]
Nulls = Annotated[list[Path], typer.Option("--null", help="folder of an independently trained encoder; repeatable")]
HeadImages = Annotated[int, typer.Option(min=1, help="training images that heads are fitted on")]
Threads = Annotated[int, typer.Option(min=1, help="PyTorch's threads; results depend on it")]
ObjectiveSettings = Annotated[list[str], typer.Option(help="a setting of the objective; repeatable")]
Rounds = Annotated[int, typer.Option(min=1, help="rounds on the way to the rate")]
Recovery = Annotated[str, typer.Option(help="after each round: none, batch-norm or fine-tune")]
Epochs = Annotated[int, typer.Option(min=0, help="of fine-tuning, after each round")]
LearningRate = Annotated[float, typer.Option(help="of fine-tuning, at its start")]
Optimizer = Annotated[str, typer.Option(help="of fine-tuning")]
Momentum = Annotated[float, typer.Option(help="of fine-tuning")]
WeightDecay = Annotated[float, typer.Option(help="of fine-tuning")]


def settings(kind: str, method: str, given: list[str]) -> dict[str, Any]:
    """``name=value`` options as typed settings; the types are those of the method's defaults."""
    defaults = registry.constants(kind, method).get("SETTINGS", {})
    found: dict[str, Any] = {}
    for item in given:
        name, _, text = item.partition("=")
        kind_of = type(defaults.get(name)) if defaults.get(name) is not None else str
        try:
            found[name] = {"True": True, "False": False}[text] if kind_of is bool else kind_of(text)
        except (ValueError, KeyError):
            raise PrunemarkError(f"--set {item}: {text!r} is not allowed: a value of type {kind_of.__name__}") from None
    return registry.complete(kind, method, found)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Option()],
    method: Annotated[str, typer.Option()],
    heldout: Annotated[int, typer.Option(min=1)],
    keypool: Annotated[int, typer.Option(min=1)],
    out: Annotated[Path, typer.Option()],
    set: Settings = [],  # noqa: B006
) -> None:
    """Fetch a dataset, check it against its pinned hashes, draw its splits."""
    from prunemark.stages.fetch import fetch as run

    run(dataset, method, settings("datasets", method, set), heldout, keypool, out)


@app.command()
def train(
    data: Annotated[Path, typer.Option()],
    objective: Annotated[str, typer.Option()],
    architecture: Annotated[str, typer.Option()],
    width: Annotated[int, typer.Option(min=1)],
    epochs: Annotated[int, typer.Option(min=1)],
    batch_size: Annotated[int, typer.Option(min=2)],
    optimizer: Annotated[str, typer.Option()],
    learning_rate: Annotated[float, typer.Option()],
    warmup_epochs: Annotated[int, typer.Option(min=0)],
    momentum: Annotated[float, typer.Option()],
    weight_decay: Annotated[float, typer.Option()],
    seed: Annotated[int, typer.Option(min=0)],
    threads: Threads,
    device: Annotated[str, typer.Option()],
    out: Annotated[Path, typer.Option()],
    set: Settings = [],  # noqa: B006
) -> None:
    """Train an encoder; a killed run goes on from its last epoch."""
    registry.module_name("encoders", architecture)
    from prunemark.engine import tracking
    from prunemark.stages.train import Recipe
    from prunemark.stages.train import train as run

    options = settings("objectives", objective, set)
    recipe = Recipe(
        objective, options, epochs, batch_size, optimizer, learning_rate, warmup_epochs, momentum, weight_decay, seed
    )

    def watch(encoder: Any, images: Any) -> dict[str, float]:
        from prunemark.stages.watch import heldout_accuracy  # what is imported before the first epoch counts as code

        return heldout_accuracy(encoder, images)

    with tracking.live(out, epochs) as listen:
        run(data, architecture, width, recipe, threads, device, out, listen, watch)


@app.command()
def watermark(
    data: Annotated[Path, typer.Option()],
    encoder: Annotated[Path, typer.Option()],
    method: Annotated[str, typer.Option()],
    key: Annotated[int, typer.Option(min=0, help="number of the experiment key")],
    seed: Annotated[int, typer.Option(min=0)],
    head_images: HeadImages,
    threads: Threads,
    out: Annotated[Path, typer.Option()],
    null: Nulls = [],  # noqa: B006
    set: Settings = [],  # noqa: B006
) -> None:
    """Mark an encoder, freeze its threshold and its head."""
    from prunemark.stages.watermark import watermark as run

    run(data, encoder, null, method, settings("watermarks", method, set), key, seed, head_images, threads, out)


@app.command()
def check(
    data: Annotated[Path, typer.Option()],
    marked: Annotated[Path, typer.Option()],
    method: Annotated[str, typer.Option()],
    keys: Annotated[int, typer.Option(min=1, help="how many experiment keys")],
    seed: Annotated[int, typer.Option(min=0)],
    head_images: HeadImages,
    threads: Threads,
    out: Annotated[Path, typer.Option()],
    null: Nulls = [],  # noqa: B006
    set: Settings = [],  # noqa: B006
) -> None:
    """Register a passive check on a marked encoder (part of the watermark stage)."""
    from prunemark.stages.check import check as run

    run(data, marked, null, method, settings("checks", method, set), keys, seed, head_images, threads, out)


def pruning(kind: str, stage: str) -> Callable[..., None]:
    """The command of a stage that prunes by criteria of a kind: of weights or of channels, the options are the same."""

    def command(
        data: Annotated[Path, typer.Option()],
        encoder: Annotated[Path, typer.Option(help="folder of the encoder before marking, with its projector")],
        marked: Annotated[Path, typer.Option()],
        method: Annotated[str, typer.Option()],
        scope: Annotated[str, typer.Option(help="what is ranked together")],
        rate: Annotated[str, typer.Option(help="share of the prunable weights, or removable channels, to remove")],
        objective: Annotated[str, typer.Option(help="what the encoder was trained by")],
        batch_size: Annotated[int, typer.Option(min=2)],
        seed: Annotated[int, typer.Option(min=0)],
        threads: Threads,
        out: Annotated[Path, typer.Option()],
        set: Settings = [],  # noqa: B006
        objective_set: ObjectiveSettings = [],  # noqa: B006
        rounds: Rounds = 1,
        recovery: Recovery = "none",
        epochs: Epochs = 0,
        learning_rate: LearningRate = 0.0,
        optimizer: Optimizer = "sgd",
        momentum: Momentum = 0.0,
        weight_decay: WeightDecay = 0.0,
        device: Annotated[str, typer.Option(help="of fine-tuning")] = "auto",
    ) -> None:
        from prunemark.model.training import Recipe
        from prunemark.pruning.pruning_schedule import Schedule
        from prunemark.stages.pruning_run import Request

        own, trained = settings(kind, method, set), settings("objectives", objective, objective_set)
        recipe = Recipe(objective, trained, 1, batch_size, optimizer, 0.0, 0, momentum, weight_decay, seed)
        schedule = Schedule(rounds, recovery, epochs, learning_rate)
        run = getattr(import_module(f"prunemark.stages.{stage}"), stage)
        run(Request(data, encoder, marked, method, own, scope, rate, schedule, recipe, threads, device, out))

    return command


app.command("prune", help="Prune the weights of a marked encoder at one rate.")(pruning("pruners", "prune"))
app.command("shrink", help="Remove channels of a marked encoder at one rate (part of the prune stage).")(
    pruning("structured", "shrink")
)


@app.command()
def alter(
    data: Annotated[Path, typer.Option()],
    marked: Annotated[Path, typer.Option()],
    method: Annotated[str, typer.Option()],
    strength: Annotated[str, typer.Option(help="how much, in the method's own measure")],
    objective: Annotated[str, typer.Option(help="what the encoder was trained by")],
    batch_size: Annotated[int, typer.Option(min=2)],
    optimizer: Annotated[str, typer.Option()],
    momentum: Annotated[float, typer.Option()],
    weight_decay: Annotated[float, typer.Option()],
    key: Annotated[int, typer.Option(min=0, help="number of the experiment key of the marked encoder")],
    seed: Annotated[int, typer.Option(min=0)],
    threads: Threads,
    device: Annotated[str, typer.Option(help="of the training that a method may go on with")],
    out: Annotated[Path, typer.Option()],
    set: Settings = [],  # noqa: B006
    objective_set: ObjectiveSettings = [],  # noqa: B006
) -> None:
    """Alter a marked encoder other than by pruning (part of the prune stage)."""
    from prunemark.model.training import Recipe
    from prunemark.stages.alter import alter as run

    own, trained = settings("alterations", method, set), settings("objectives", objective, objective_set)
    recipe = Recipe(objective, trained, 1, batch_size, optimizer, 0.0, 0, momentum, weight_decay, seed)
    run(data, marked, method, own, strength, recipe, key, threads, device, out)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option()],
    marked: Annotated[Path, typer.Option()],
    head_images: HeadImages,
    threads: Threads,
    out: Annotated[Path, typer.Option()],
    check: Annotated[list[Path], typer.Option(help="folder of a registered check; repeatable")] = [],  # noqa: B006
    pruned: Annotated[Path | None, typer.Option(help="absent: the original")] = None,
    original: Annotated[Path | None, typer.Option(help="scores of the original")] = None,
) -> None:
    """Score a cell: accuracy, agreement, features, watermarks, sizes."""
    from prunemark.stages.evaluate import evaluate as run

    run(data, marked, check, pruned, original, head_images, threads, out)


@app.command()
def latency(
    marked: Annotated[Path, typer.Option()],
    pruned: Annotated[list[Path], typer.Option(help="folder of a pruned encoder; repeatable")],
    threads: Threads,
    out: Annotated[Path, typer.Option()],
) -> None:
    """Time pruned encoders beside their original (part of the evaluate stage)."""
    from prunemark.stages.latency import latency as run

    run(marked, pruned, threads, out)


@app.command()
def control(
    control: Annotated[str, typer.Option(help="untrained or pixels")],
    data: Annotated[Path, typer.Option()],
    encoder: Annotated[Path, typer.Option()],
    head_images: HeadImages,
    threads: Threads,
    out: Annotated[Path, typer.Option()],
) -> None:
    """Score a control that no training made (part of the evaluate stage)."""
    from prunemark.stages.control import control as run

    run(control, data, encoder, head_images, threads, out)


@app.command()
def report(
    asked: Annotated[str | None, typer.Option(help="SHA-256 of what params.yaml asks for")] = None,
    out: Annotated[Path | None, typer.Option()] = None,
    params: Annotated[Path, typer.Option()] = Path("params.yaml"),
    claims: Annotated[Path, typer.Option()] = Path("claims.yaml"),
    format: Annotated[str | None, typer.Option(help="latex, markdown or csv: print a paper's tables")] = None,
    run: Annotated[Path, typer.Option(help="of --format: a repository, or a run kept as under examples/")] = Path("."),
) -> None:
    """Make the results table and the page; or with --format print the results of a run as a paper's tables."""
    if format is not None and (asked, out) == (None, None):
        from prunemark.tables.paper.formats import paper

        print(paper(run, format), end="")
    elif asked is not None and out is not None:
        make_report(asked, out, params, claims)
    else:
        raise PrunemarkError("report: needs --asked and --out, as the stage has them, or --format alone")


def make_report(asked: str, out: Path, params: Path, claims: Path) -> None:
    from prunemark.plan import folders, grid
    from prunemark.plan.params_file import read_params
    from prunemark.stages.report import report as run

    found = read_params(params)
    if found.digest() != asked:
        raise PrunemarkError(f"--asked: {asked} is not allowed: {params} asks for {found.digest()}")
    evaluated = [step.folder for step in grid.steps(found, "evaluate")]
    scores = [Path(folder) for folder in evaluated if folder.names]
    timed = [Path(folder) for folder in evaluated if not folder.names]
    earlier = [Path(step.folder) for stage in folders.STAGES[:-1] for step in grid.steps(found, stage)]
    run(scores, timed, earlier, found.model_dump(mode="json"), asked, claims, out)
