"""The command line of encoders in the hand: whose is it, and is it intact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunemark.commands.answers import Answer

app = typer.Typer()
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
