"""How an alteration sees contrastive training: as a function that a stage hands in."""

from __future__ import annotations

from collections.abc import Callable

from prunemark.model.encoder import Encoder

Train = Callable[[Encoder, int, float], Encoder]
