"""The command line of questions about numbers: where from, what hangs on it, what moved, can it be right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunemark.commands.answers import Answer, ForMachines, say
from prunemark.errors import PrunemarkError

app = typer.Typer()


@app.command(context_settings={"ignore_unknown_options": True})  # a number may be negative
def why(
    number: Annotated[str, typer.Argument(help="'accuracy[pruner=magnitude rate=0.9 head=refit]', 0.853 or 85.3")],
    run: Annotated[Path, typer.Option(help="a repository, or a run kept like those under examples/")] = Path("."),
    json: ForMachines = False,
) -> None:
    """Where does a number come from? Its row, its formula, and the chain of receipts back to the raw data. Exit
    status 1 where one that is shown does not chain."""
    from prunemark.questions import why_text
    from prunemark.questions.sources import open_run
    from prunemark.questions.why import why as ask

    answer = ask(open_run(run), number)
    say(answer.facts() if json else why_text.lines(answer))
    raise Answer(answer.chains)


@app.command()
def impact(
    what: Annotated[str, typer.Argument(help="a source file, a data file, params.yaml, or a commit")],
    json: ForMachines = False,
) -> None:
    """Which reported numbers does a file invalidate, or the code of a commit?"""
    from prunemark.questions import impact_text
    from prunemark.questions.impact import impact as ask

    found = ask(what)
    say(found.facts() if json else impact_text.lines(found))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="a commit, COMMIT:folder, or the path of a run")],
    after: Annotated[str, typer.Argument(help="the same")],
    json: ForMachines = False,
) -> None:
    """Which numbers moved between two runs, by how much, and because of what? Exit status 1 where any did."""
    from prunemark.questions import diff_text
    from prunemark.questions.diff import diff as ask
    from prunemark.questions.versions import open_version

    found = ask(open_version(before), open_version(after))
    say(found.facts() if json else diff_text.lines(found))
    raise Answer(not (found.moved or found.appeared or found.vanished))


@app.command("check-table")
def check_table(
    file: Annotated[Path, typer.Argument(help="a Markdown, CSV or LaTeX file with any tables")],
    n: Annotated[int | None, typer.Option(min=1, help="trials of every share, where no column says so")] = None,
    json: ForMachines = False,
) -> None:
    """Can these tables be right? Exit status 0 if no error is found, 1 if some are, 2 if there is no table."""
    from prunemark.tables.check import check_table as tables

    verdicts = tables.check_tables(file, n)
    if not verdicts:
        raise PrunemarkError(f"{file}: no table found; allowed: Markdown, CSV, LaTeX tabulars, with a header and rows")
    say(tables.facts(verdicts) if json else tables.lines(file, verdicts))
    raise Answer(not any(found.faults for found in verdicts))
