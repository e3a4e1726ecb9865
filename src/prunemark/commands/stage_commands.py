"""The command line of the stages: a sub-command per step of the graph, each a request and a call.

Options, their types, least values and help are those of the request's fields. Heavy imports wait until their command
runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from functools import partial
from importlib import import_module
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.requests import stage_requests
from prunemark.requests.request import Option, Request, Settings
from prunemark.requests.stage_requests import ReportRequest, TrainRequest

app = typer.Typer()

# A command per request, by its name; that of the report has two forms, and is written below.
REQUESTS = {
    name.removesuffix("Request").lower(): kind
    for name, kind in vars(stage_requests).items()
    if isinstance(kind, type) and issubclass(kind, Request) and kind not in (Request, ReportRequest)
}


def settings(kind: str, method: str, given: list[str]) -> dict[str, Any]:
    """``name=value`` options as typed settings; the types are those of the method's defaults."""
    defaults = registry.constants(kind, method).get("SETTINGS", {})
    typed: dict[str, Any] = {}
    for item in given:
        name, _, text = item.partition("=")
        kind_of = type(defaults.get(name)) if defaults.get(name) is not None else str
        try:
            typed[name] = {"True": True, "False": False}[text] if kind_of is bool else kind_of(text)
        except (ValueError, KeyError):
            raise PrunemarkError(f"--set {item}: {text!r} is not allowed: a value of type {kind_of.__name__}") from None
    return registry.complete(kind, method, typed)


def options(kind: type[Request]) -> dict[str, Option]:
    """What every field of a request says of its option."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: getattr(hints[field.name], "__metadata__", (Option(),))[0] for field in fields(kind)}


def parsed(kind: type[Request], given: dict[str, Any]) -> Request:
    """The request that was typed.

    Raises:
        PrunemarkError: a method that there is not, or a setting that it does not know.
    """
    for name, option in options(kind).items():
        if option.names:
            registry.module_name(option.names, given[name])
    for name, option in options(kind).items():
        if isinstance(option, Settings):
            given[name] = settings(option.kind, given[option.of], given[name])
    return kind(**given)


def command(kind: type[Request], run: Callable[[Any], None]) -> Callable[..., None]:
    """A function as typer reads it, with an option for every field; those that may be left out come last."""

    def call(**given: Any) -> None:
        run(parsed(kind, given))

    types, notes = get_type_hints(kind), options(kind)
    parameters = [parameter(field, types[field.name], notes[field.name]) for field in fields(kind)]
    parameters.sort(key=lambda one: one.default is not Parameter.empty)
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {one.name: one.annotation for one in parameters}
    return call


def parameter(field: Field[Any], type_: Any, option: Option) -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    if field.default_factory is not MISSING:
        default = []
    annotation = list[str] if get_origin(type_) is dict else type_
    note = typer.Option(help=option.help, min=option.least)
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, note])


def run_stage(name: str, request: Request) -> None:
    getattr(import_module(f"prunemark.stages.{name}"), name)(request)


def run_training(request: TrainRequest) -> None:
    from prunemark.engine import tracking
    from prunemark.stages.train import train

    def watch(encoder: Any, images: Any) -> dict[str, float]:
        from prunemark.stages.watch import heldout_accuracy  # what is imported before the first epoch counts as code

        return heldout_accuracy(encoder, images)

    with tracking.live(request.out, request.epochs) as listen:
        train(request, listen, watch)


for name, kind in REQUESTS.items():
    run = run_training if kind is TrainRequest else partial(run_stage, name)
    app.command(name, help=kind.__doc__)(command(kind, run))


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
    # Two commands under one name, so that its options are no request's: each needs what the other refuses.
    if format is not None and (asked, out) == (None, None):
        from prunemark.tables.paper.formats import paper

        print(paper(run, format), end="")
    elif asked is not None and out is not None:
        make_report(ReportRequest(params=params, asked=asked, claims=claims, out=out))
    else:
        raise PrunemarkError("report: needs --asked and --out, as the stage has them, or --format alone")


def make_report(request: ReportRequest) -> None:
    from prunemark.plan import folders, grid
    from prunemark.plan.params_file import read_params
    from prunemark.stages.report import report as run

    params = read_params(request.params)
    if params.digest() != request.asked:
        raise PrunemarkError(f"--asked: {request.asked} is not allowed: {request.params} asks for {params.digest()}")
    needed = grid.report(params).needs
    scores = [Path(folder) for folder in needed if "scores.json" in folder.names]
    others = [Path(folder) for folder in needed if "scores.json" not in folder.names]
    earlier = [Path(step.folder) for stage in folders.STAGES[:-1] for step in grid.steps(params, stage)]
    run(request, scores, others, earlier, params.model_dump(mode="json"))
