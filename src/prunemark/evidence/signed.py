"""Sign a crate, and ask whether a crate is signed by a known key, unaltered, and of the run in this repository.

The signature is one of the manifest, which it lies beside and which does not name it: signing changes no other file.
"""

from __future__ import annotations

from pathlib import Path

from prunemark.disk.files import PARTIAL, sha256_file, write_bytes
from prunemark.engine.sweep import DATA
from prunemark.errors import PrunemarkError
from prunemark.evidence import verify
from prunemark.evidence.archive import write_zip
from prunemark.formats.journal import JOURNAL
from prunemark.formats.receipt import RECEIPT
from prunemark.provenance.levels import Found, Level
from prunemark.provenance.signature import signature_fault, signature_of
from prunemark.receipts.chain import Break

SIGNATURE = f"{verify.MANIFEST}.sig"


def opened(path: Path) -> verify.Crate:
    """A crate as its verifier sees it.

    Raises:
        PrunemarkError: neither a folder nor a zip.
    """
    try:
        return verify.verify(str(path))[0]
    except Exception as error:  # what is hostile may raise anything
        raise PrunemarkError(f"{path}: cannot be read as a crate ({type(error).__name__}: {error})") from None


def sign_crate(path: Path, key: Path) -> None:
    """Put the signature of a crate's manifest into it, in the place of an earlier one.

    Raises:
        PrunemarkError: the crate does not verify, or ssh-keygen does not sign.
    """
    crate = opened(path)
    if crate.breaks:
        raise PrunemarkError(f"{path}: not signed: {crate.breaks[0]} ({len(crate.breaks)} breaks)")
    signature = signature_of(crate.read(verify.MANIFEST), key)
    if crate.zip is None:
        write_bytes(path / SIGNATURE, signature)
        return
    partial = path.with_name(path.name + PARTIAL)
    write_zip(partial, {name: crate.read(name) for name in crate.sizes} | {SIGNATURE: signature})
    partial.replace(path)


def signed_breaks(path: Path, signers: Path) -> list[Break]:
    """Where a crate is not what a key of ``signers`` signed, or not of the run under data/.

    ``signers``: a file of allowed signers, or a public key.
    """
    try:
        crate = opened(path)
    except PrunemarkError as error:
        return [Break(path.as_posix(), str(error).removeprefix(f"{path}: "))]
    breaks = [Break(f"{path}: {name}", reason) for name, reason in (line.split(": ", 1) for line in crate.breaks)]
    if SIGNATURE not in crate.sizes or verify.MANIFEST not in crate.sizes:
        return [*breaks, Break(path.as_posix(), "is not signed")]
    fault = signature_fault(crate.read(verify.MANIFEST), crate.read(SIGNATURE), signers)
    breaks += [Break(path.as_posix(), fault)] if fault else []
    return breaks + receipt_breaks(crate)


def receipt_breaks(crate: verify.Crate) -> list[Break]:
    """Receipts and journal entries that are not the same bytes in the crate and under data/."""
    there = {path.as_posix() for path in (*DATA.rglob(RECEIPT), *JOURNAL.rglob("*.json"))}
    signed = {name for name in crate.hashes if name.endswith(verify.RECEIPT) or name.startswith(f"{JOURNAL}/")}
    breaks = [Break(name, "is in the crate, and not here") for name in sorted(signed - there)]
    breaks += [Break(name, "is not in the crate") for name in sorted(there - signed)]
    for name in sorted(signed & there):
        if sha256_file(Path(name)) != crate.hashes[name]:
            what = "receipt" if name.endswith(verify.RECEIPT) else "journal entry"
            breaks.append(Break(name, f"is not the {what} that was signed: the crate holds another"))
    return breaks


def signed_level(path: Path | None, signers: Path | None) -> Level | None:
    """The level of the audit that asks for the signature; ``None`` without a crate.

    Raises:
        PrunemarkError: a crate without signers, or signers without a crate.
    """
    if path is None and signers is None:
        return None
    if path is None or signers is None:
        raise PrunemarkError("audit: --crate and --signed-by go together")
    proved = f"{path}: signed by a key of {signers}, unaltered, its receipts and journals those of data/"
    facts = {"crate": path.as_posix(), "signers": signers.as_posix()}
    return Level("audit --signed-by", lambda *_: Found(signed_breaks(path, signers), proved, facts=facts), alone=True)
