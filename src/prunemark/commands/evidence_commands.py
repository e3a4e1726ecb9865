"""The command line of evidence: the audit of a run, and what it hands to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunemark.commands.answers import Answer, ForMachines

app = typer.Typer()


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
    request = levels.Asked(recompute, replay, limit, seed, from_clone, remote)
    raise Answer(levels.run(request, json, signed_level(crate, signed_by)) == 0)


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
