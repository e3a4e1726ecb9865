"""Ways to cheat that neither hashes, nor formulas, nor a cell executed again can tell from an honest run: each with the
receipt that is not the one that was signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import forge
from places import MARKED, ORIGINAL, PRUNED, SCORES

from prunemark.model.encoder import state_sha256
from prunemark.stages.pruned_encoder import read_pruned

CHECK = f"{MARKED}/checks/sha256"
SEEDS = "data/encoders/tiny/simclr"
RAW = "data/raw/tiny"


def another_source(folder: Path) -> None:
    """Claim that the images came from elsewhere."""

    def elsewhere(receipt: Any) -> None:
        pinned = next(name for name in receipt["inputs"] if not name.startswith("data/"))
        receipt["inputs"][pinned] = "0" * 64

    forge.edit_json(folder / RAW / "receipt.json", elsewhere)


def exchanged_encoders(folder: Path) -> None:
    """What was trained from two seeds, each in the other's place, under receipts that are as asked for."""
    for path in [path for path in (folder / SEEDS / "0").iterdir() if path.name != "receipt.json"]:
        other = folder / SEEDS / "1000" / path.name
        content = path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(content)


def fitted_key(folder: Path) -> None:
    """The digest of the pruned encoder in the place of the released one's: it is 'intact' now, and every statistic is
    the one that this key gives."""
    pruned = read_pruned(folder / MARKED, folder / PRUNED).held
    forge.edit_key(folder / CHECK / "secret.safetensors", state_sha256=state_sha256(pruned))
    for cell, reached in ((SCORES, 1.0), (ORIGINAL, 0.0)):
        forge.edit_samples(folder / cell, lambda arrays, reached=reached: arrays["statistic/sha256/"].fill(reached))


def threshold_and_law(folder: Path) -> None:
    """A law that nobody can recompute, for a threshold that everything reaches."""
    forge.change_threshold(folder / MARKED, threshold=0.0, law="conventional: 0")


FRAUDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a forged source of the images": (another_source, RAW),
    "encoders of two seeds exchanged": (exchanged_encoders, f"{SEEDS}/0"),
    "a key fitted afterwards": (fitted_key, CHECK),
    "a threshold changed with its law": (threshold_and_law, MARKED),
    "a weakened predicate with its verdicts": (forge.weaken_a_claim, "data/report"),
}
# The clone has the claims of the commit.
CLONED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a weakened predicate with its verdicts": (forge.weaken_a_claim, "claims.yaml: in the clone: sha256 is"),
}
