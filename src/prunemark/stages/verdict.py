"""By hand: is a suspect file mine, is it intact, what was it before it was marked, and a pruned cell as such a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from prunemark.disk.files import sha256_file
from prunemark.disk.tensors import read_encoder, read_tensors, write_encoder
from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Query, Reading
from prunemark.marking.suspect_views import seen
from prunemark.metrics.head import Head
from prunemark.metrics.intervals import wilson
from prunemark.model.encoder import Encoder, state
from prunemark.stages.key_files import KeyFile, read_keys
from prunemark.stages.pruned_encoder import read_pruned

QUESTIONS = {
    "verify": (("robust",), ("mine", "not shown to be mine")),
    "authenticate": (("fragile", "reversible"), ("intact", "altered")),
}
PLACES_SHOWN = 8


def judge(question: str, encoder: Path, key: Path, head: Path | None, commitment: str | None) -> bool:
    """Ask ``verify`` or ``authenticate`` of a suspect encoder file under every key of a key file, and print statistic,
    threshold, p-value or interval and verdict of each. Labels are seen through the classifier of ``head``.

    Returns:
        Whether every key says yes.

    Raises:
        PrunemarkError: a suspect that is no encoder, is of another architecture than the keys are for, or holds values
            that are not finite; a key file of the other kind or that is not the one committed to; a missing head.
    """
    kinds, (yes, no) = QUESTIONS[question]
    file = read_committed(key, commitment)
    scheme = file.scheme()
    if scheme.KIND not in kinds:
        other = "authenticate" if question == "verify" else "verify"
        raise PrunemarkError(f"{key}: a {scheme.KIND} scheme, {file.method}, is not for {question}; use {other}")
    suspect = read_suspect(encoder, file)
    if scheme.LEVEL == "WEIGHTS" and suspect.spec.channels:
        if question == "verify":
            raise PrunemarkError(f"{encoder}: channels were removed, and {file.method} reads all; see prunemark export")
        print(f"scheme {file.method} sees weights, and channels were removed")
        print(f"verdict: {no} (0 of {len(file.keys)} keys)")
        return False
    through = ""
    if scheme.LEVEL == "LABELS":
        view = seen("LABELS", suspect, classifier(head, suspect.features, file.head))
        through = f", through head {sha256_file(head)}" if head else ""
    else:
        view = seen(scheme.LEVEL, suspect)
    lines, verdicts = [], []
    for number, held in enumerate(file.keys):
        with whole(key, number):
            reading = scheme.measure(view, held.secret)
        verdicts.append(reading.statistic >= held.threshold)
        lines.append(f"key {number}: {described(reading, held.threshold)}: {yes if verdicts[-1] else no}")
    sees = f"sees {scheme.LEVEL.lower()}{through}"
    print(f"scheme {file.method} ({scheme.KIND}, {sees}), commitment {sha256_file(key)}")
    print(*lines, sep="\n")
    print(f"verdict: {yes if all(verdicts) else no} ({sum(verdicts)} of {len(verdicts)} keys)")
    return all(verdicts)


@contextmanager
def whole(key: Path, number: int) -> Iterator[None]:
    """A damaged secret fails in as many ways as there are schemes; all of them mean that the key file is not whole."""
    try:
        yield
    except PrunemarkError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise PrunemarkError(f"{key}: key {number} is not whole ({type(error).__name__}: {reason})") from None


def described(reading: Reading, threshold: float) -> str:
    """One reading in words: statistic, threshold, p-value or interval, details and altered places."""
    of = "" if reading.trials is None else f" of {reading.trials}"
    parts = [f"statistic {reading.statistic:.6g}{of}, threshold {threshold:.6g}"]
    if reading.p_value is not None:
        parts.append(f"p-value {reading.p_value:.3g}")
    elif reading.trials:
        low, high = wilson(round(reading.statistic), reading.trials)
        parts.append(f"share {100 * low:.1f} to {100 * high:.1f} % (Wilson, 95 %)")
    parts += [f"{name} {value:.4g}" for name, value in reading.details.items()]
    if reading.places:
        more = len(reading.places) - PLACES_SHOWN
        shown = " ".join(reading.places[:PLACES_SHOWN])
        parts.append(f"altered: {shown}" + (f" and {more} more" if more > 0 else ""))
    return ", ".join(parts)


def restore(encoder: Path, key: Path, out: Path) -> None:
    """Undo a reversible watermark: write the encoder before embedding, from the marked one and its key alone.

    Raises:
        PrunemarkError: a scheme that is not reversible, an encoder that was altered after embedding, or a file that is
            there already or cannot be written.
    """
    file = read_committed(key, None)
    scheme = file.scheme()
    if scheme.KIND != "reversible":
        raise PrunemarkError(f"{key}: scheme {file.method} is {scheme.KIND}; allowed: a reversible one")
    refuse_place(out)
    suspect = read_suspect(encoder, file)
    if suspect.spec.channels:
        raise PrunemarkError(f"{encoder}: altered after embedding: channels were removed")
    with whole(key, 0):
        restored = scheme.restore(suspect, file.keys[0].secret)
    write_new(out, restored)


def export(marked: Path, pruned: Path, out: Path) -> None:
    """Write what a pruned folder made of the encoder of ``marked`` as a file, in the shapes of that encoder: removed
    weights, and those of removed channels, are zero.

    Raises:
        PrunemarkError: folders that do not belong together, or a file that is there already or cannot be written.
    """
    refuse_place(out)
    write_new(out, read_pruned(marked, pruned).held)


def refuse_place(out: Path) -> None:
    if os.path.lexists(out) or not os.path.isdir(out.parent):
        raise PrunemarkError(f"--out: {out} is not allowed: a new file in a folder that is there")


def write_new(out: Path, encoder: Encoder) -> None:
    try:
        write_encoder(out, encoder)
    except OSError as error:
        raise PrunemarkError(f"{out}: cannot be written ({error.strerror})") from None
    print(f"{out}: sha256 {sha256_file(out)}")


def read_committed(key: Path, commitment: str | None) -> KeyFile:
    """Read a key file, and hold it against the commitment made before release, where one is given.

    Raises:
        PrunemarkError: another file than the one committed to, or one without keys.
    """
    file = read_keys(key)
    found = sha256_file(key)
    if commitment is not None and found != commitment.lower():
        raise PrunemarkError(f"{key}: sha256 {found} is not the one committed to, {commitment}")
    if not file.keys:
        raise PrunemarkError(f"{key}: holds no key; allowed: the key file of a scheme, not of the control")
    return file


def read_suspect(path: Path, file: KeyFile) -> Encoder:
    """A suspect of the architecture that the keys are for, whatever became of it since."""
    suspect = read_encoder(path)
    if suspect.spec.trained != file.encoder:
        found, wanted = suspect.spec.trained.to_dict(), file.encoder.to_dict()
        raise PrunemarkError(f"{path}: an encoder of {found}; allowed: {wanted}, which the keys are for")
    for name, tensor in state(suspect).items():
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise PrunemarkError(f"{path}: {name} holds {bad} values that are not finite; allowed: 0")
    return suspect


def classifier(head: Path | None, width: int, registered: str) -> Query:
    """The classes of features, (N, ``width``), under a head file.

    The head is not part of what was committed to: to ask whose an encoder is, take the one that the suspect serves, and
    to ask whether it is intact, the one that the check was registered through, whose SHA-256 is ``registered``.

    Raises:
        PrunemarkError: no file given, one that is no head for such features, or another one than was registered.
    """
    if head is None:
        raise PrunemarkError("--head: missing; this scheme sees labels, which need a classifier (head.safetensors)")
    tensors, _ = read_tensors(head)
    bias = tensors.get("bias", torch.zeros(0))
    classes = bias.numel()
    wanted = {"mean": (width,), "std": (width,), "weight": (width, classes), "bias": (classes,)}
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != wanted or classes < 2:
        raise PrunemarkError(f"{head}: no head for {width} features; allowed: head.safetensors beside a marked encoder")
    types = {name: {torch.float32, torch.float64} if name in ("mean", "std") else {torch.float32} for name in wanted}
    sound = all(t.dtype in types[name] and bool(t.isfinite().all()) for name, t in tensors.items())
    if not sound or not bool((tensors["std"] > 0).all()):
        raise PrunemarkError(
            f"{head}: not a whole head; allowed: finite float32 (mean and std: or float64), every std above 0"
        )
    if registered and sha256_file(head) != registered:
        raise PrunemarkError(f"{head}: not the head that the check was registered through, sha256 {registered}")
    return Head(**tensors).predict
