"""The command line of building: what runs, why it would run again, and code that changed without a result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from prunemark.commands.answers import Answer, say
from prunemark.errors import PrunemarkError

app = typer.Typer()


@app.command()
def build(
    stage: Annotated[str | None, typer.Argument(help="fetch, train, watermark, prune, evaluate or report")] = None,
    cores: Annotated[str, typer.Option(help="how many at once")] = "all",
) -> None:
    """Build a stage with all before it, or everything: Snakemake runs what changed, then DVC and MLflow follow."""
    from prunemark.engine import build as wrapper
    from prunemark.plan import folders

    if stage is not None and stage not in folders.STAGES:
        raise PrunemarkError(f"build: {stage!r} is not one of {', '.join(folders.STAGES)}")
    if not re.fullmatch("[1-9][0-9]{0,5}|all", cores):
        raise PrunemarkError(f"--cores: {cores[:40]!r} is not allowed: a whole number from 1, or all")
    wrapper.build(stage, cores)
    if stage is None:
        print(f"report: {Path('data/report/report.html').resolve()}")


@app.command()
def finish() -> None:
    """After a complete build: sweep, check what changed, update dvc.lock, publish to MLflow."""
    from prunemark.engine import build as wrapper

    wrapper.finish()


@app.command()
def publish() -> None:
    """Send every finished step that MLflow does not hold yet."""
    from prunemark.engine import tracking
    from prunemark.plan.params_file import read_params

    try:
        print(f"published {tracking.publish(read_params())} runs")
    except PrunemarkError:
        raise
    except Exception as error:
        raise PrunemarkError(f"MLflow: {type(error).__name__}: {str(error).splitlines()[0][:200]}") from None


@app.command("why-rerun")
def why_rerun(
    which: Annotated[
        str | None, typer.Argument(help="a stage, or the folder of a step under data/; all without")
    ] = None,
) -> None:
    """Why would a step run again? Which file, parameter, input or missing output makes it run, old against new."""
    from prunemark.questions.why_rerun import why_rerun as ask

    say(ask(which))


@app.command()
def accept(
    reason: Annotated[str, typer.Option(help="why the code changed and the results should not")],
    replay: Annotated[int, typer.Option(min=1, help="steps of every stage that are executed again")] = 3,
    whole: Annotated[bool, typer.Option(help="all of training, and not its first epoch alone")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="of the drawn steps; drawn without")] = None,
) -> None:
    """Accept code whose meaning changed where steps, executed again, give the same bytes; exit status 1 otherwise."""
    from prunemark.provenance.accept import accept as run
    from prunemark.provenance.accept import lines

    breaks, said = run(reason, replay, whole, seed)
    say(lines(breaks, said))
    raise Answer(not breaks)
