"""The command line: the stages' sub-commands, and those that users call by hand."""

from __future__ import annotations

import functools
import os
import re
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from prunemark.commands import streams
from prunemark.commands.stage_commands import app
from prunemark.errors import PrunemarkError


class Answer(SystemExit):
    """Ends a command with a verdict: status 0 for yes, 1 for no."""

    def __init__(self, yes: bool) -> None:
        self.status = int(not yes)
        super().__init__(self.status)


EncoderFile = Annotated[Path, typer.Option(help="the suspect, a safetensors file of prunemark")]
KeyFile = Annotated[Path, typer.Option(help="secret.safetensors of a watermark or a check")]
HeadFile = Annotated[Path | None, typer.Option(help="a classifier, where the scheme sees labels: head.safetensors")]
Commitment = Annotated[str | None, typer.Option(help="SHA-256 of the key file, published before release")]


@app.command()
def verify(encoder: EncoderFile, key: KeyFile, head: HeadFile = None, commitment: Commitment = None) -> None:
    """Is this encoder mine? Exit status 0 if every key of the file says so, else 1."""
    from prunemark.stages.verdict import judge

    raise Answer(judge("verify", encoder, key, head, commitment))


@app.command()
def authenticate(encoder: EncoderFile, key: KeyFile, head: HeadFile = None, commitment: Commitment = None) -> None:
    """Is this exactly the encoder that was released? Exit status 0 if every key of the file says so, else 1."""
    from prunemark.stages.verdict import judge

    raise Answer(judge("authenticate", encoder, key, head, commitment))


@app.command()
def restore(encoder: EncoderFile, key: KeyFile, out: Annotated[Path, typer.Option()]) -> None:
    """Undo a reversible watermark, bit for bit, from the marked encoder and its key alone."""
    from prunemark.stages.verdict import restore as run

    run(encoder, key, out)


@app.command()
def export(
    marked: Annotated[Path, typer.Option(help="folder of the marked encoder")],
    pruned: Annotated[Path, typer.Option(help="folder of a pruned cell of it")],
    out: Annotated[Path, typer.Option()],
) -> None:
    """Write the encoder of a pruned cell as a file, removed weights and channels as zeros."""
    from prunemark.stages.verdict import export as run

    run(marked, pruned, out)


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


ForMachines = Annotated[bool, typer.Option("--json", help="everything, for machines")]


@app.command()
def audit(
    recompute: Annotated[bool, typer.Option(help="every figure again from raw samples, by other code")] = False,
    replay: Annotated[int | None, typer.Option(min=1, help="so many random cells really executed again")] = None,
    budget: Annotated[str | None, typer.Option(help="the same for a time, such as 90s, 10m or 2h")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="of the random cells; drawn and printed without")] = None,
    from_clone: Annotated[
        bool, typer.Option(help="clone at the recorded commit, pull, audit and replay there")
    ] = False,
    remote: Annotated[str | None, typer.Option(help="where the clone pulls from: a DVC remote, or a path")] = None,
    json: ForMachines = False,
    crate: Annotated[Path | None, typer.Option(help="a signed crate of this run")] = None,
    signed_by: Annotated[Path | None, typer.Option(help="who may have signed it: allowed signers, or a key")] = None,
) -> None:
    """Check that everything under data/ is accounted for and chains; exit status 1 and a line per break otherwise."""
    from prunemark.evidence.signed import signed_level
    from prunemark.provenance import levels
    from prunemark.provenance.sample import seconds

    limit = None if budget is None else seconds(budget)
    asked = levels.Asked(recompute, replay, limit, seed, from_clone, remote)
    raise Answer(levels.run(asked, json, signed_level(crate, signed_by)) == 0)


@app.command("crate")
def write_crate(out: Annotated[Path, typer.Option(help="a zip where it ends with .zip, else a folder")]) -> None:
    """Write the finished run as an RO-Crate that anyone can check with the verifier in it."""
    from prunemark.evidence.crate import write_crate as run

    print(run(out))


@app.command()
def sign(
    crate: Annotated[Path, typer.Argument(help="a zip or a folder")],
    key: Annotated[Path, typer.Option(help="a private SSH key, such as ~/.ssh/id_ed25519")],
) -> None:
    """Sign a crate's manifest with an SSH key."""
    from prunemark.evidence.signed import sign_crate

    sign_crate(crate, key.expanduser())


@app.command()
def checklist(out: Annotated[Path, typer.Option()] = Path("REPRODUCIBILITY.md")) -> None:
    """Answer the factual items of the NeurIPS and REFORMS checklists from receipts, journals and params.yaml."""
    from prunemark.disk.files import write_bytes
    from prunemark.evidence.checklist import checklist as answered
    from prunemark.evidence.run import read_run

    write_bytes(out, answered(read_run()).encode())


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


def say(answer: dict[str, Any] | Iterable[str]) -> None:
    """Print an answer: facts as JSON, words line by line."""
    from prunemark.disk.files import canonical_json

    if isinstance(answer, dict):
        print(canonical_json(answer), end="")
    else:
        for line in answer:
            print(line)


@functools.cache
def command_line() -> TyperGroup:
    return cast(TyperGroup, get_command(app))


def run() -> int:
    """Run the command line; returns its exit status: an expected failure is one line on stderr and status 2. What
    becomes of standard output never changes the status of an answer."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    lost = streams.forgive()
    status, answered = ended()
    sys.stdout.flush()
    if lost:
        print(f"prunemark: standard output: {lost[0].strerror}", file=sys.stderr)
    return status or (2 if lost and not answered else 0)


def ended() -> tuple[int, bool]:
    """The status that the command line ends with, and whether that is an answer."""
    try:
        command_line()(prog_name="prunemark")
    except PrunemarkError as error:
        print(f"prunemark: {error}", file=sys.stderr)
        return 2, False
    except Answer as answer:
        return answer.status, True
    except Exception:  # status 1 is an answer: "no", "altered", "does not chain"
        traceback.print_exc()
        return 2, False
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None), False
    return 0, False
