"""Write the crate of a finished run: a zip or a folder with the same files, checked by its own verifier first."""

from __future__ import annotations

import shutil
from pathlib import Path

from prunemark.disk.files import PARTIAL, sha256
from prunemark.engine.sweep import DATA
from prunemark.errors import PrunemarkError
from prunemark.evidence import verify
from prunemark.evidence.archive import write_folder, write_zip
from prunemark.evidence.checklist import checklist
from prunemark.evidence.metadata import metadata
from prunemark.evidence.run import Run, read_run

README = """\
# A run of prunemark

`ro-crate-metadata.json` describes the run (RO-Crate, profile Workflow Run Crate), `data/report/report.html` shows what
came out, `REPRODUCIBILITY.md` answers checklists. Every stage run left a receipt (`data/**/receipt.json`: command,
parameters, SHA-256 of inputs, outputs and code) and a journal entry (`data/journal`: when, where, with what).

    python verify.py                            # needs Python 3.9 and nothing else; exit status 1 and a line per break
    sha256sum -c manifest-sha256.txt            # the files alone
    ssh-keygen -Y verify -n prunemark -f ALLOWED_SIGNERS -I WHO -s manifest-sha256.txt.sig < manifest-sha256.txt

`referenced-sha256.txt` lists what stayed outside: images, weights, masks and secrets, by the hashes that receipts hold.
A verifier that lies in the crate it judges proves nothing to a sceptic: take `verify.py` from the repository.
"""


def write_crate(out: Path) -> str:
    """Write the crate of the run that params.yaml asks for to ``out``: a zip where it ends with .zip, else a folder.
    Returns what there is to say of it.

    Raises:
        PrunemarkError: the run is not finished or does not chain, or ``out`` lies in data/ or is there already.
    """
    zips = out.suffix == ".zip"
    taken = zips or any(out.iterdir()) if out.is_dir() else out.exists() and not zips
    if taken:
        raise PrunemarkError(f"{out}: is there already; allowed: a new or empty folder, or a file that ends with .zip")
    if out.resolve().is_relative_to(DATA.resolve()):
        raise PrunemarkError(f"{out}: lies in {DATA}/, where every file is the run's own; allowed: anywhere else")
    run = read_run()
    files = contents(run)
    partial = out.with_name(out.name + PARTIAL)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        (write_zip if zips else write_folder)(partial, files)
        breaks = verify.verify(str(partial))[0].breaks
        if breaks:
            raise PrunemarkError(f"the run does not chain: {breaks[0]} ({len(breaks)} breaks): `prunemark audit`")
        partial.replace(out)
    finally:
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)
    outside = f"{len(run.referenced)} referred to by their hashes"
    return (
        f"{out}: {len(run.receipts)} receipts, {len(files)} files, {outside}; manifest {sha256(files[verify.MANIFEST])}"
    )


def contents(run: Run) -> dict[str, bytes]:
    """Every file of a run's crate by name."""
    files = dict(run.carried)
    files["README.md"] = README.encode()
    files["REPRODUCIBILITY.md"] = checklist(run).encode()
    files["verify.py"] = Path(verify.__file__).read_bytes()
    files[verify.REFERENCED] = listing(run.referenced)
    files[verify.METADATA] = metadata(run, files)
    files[verify.MANIFEST] = listing({name: sha256(content) for name, content in files.items()})
    return files


def listing(hashes: dict[str, str]) -> bytes:
    """{path: SHA-256} in the form of sha256sum, sorted."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items())).encode()
