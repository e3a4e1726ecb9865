"""What a watermark scheme keeps and what is compared: the secret, the null results, the threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from prunemark.encoder import Encoder


@dataclass(frozen=True)
class Secret:
    """All that verification needs, and nothing else: tensors, and facts that JSON can hold (keys as hexadecimal)."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Nulls:
    """Statistics that no pruned encoder has touched, from which a threshold may come.

    ``unmarked``: independently trained encoders under the right secret. ``wrong_keys``: the marked encoder under
    secrets of other keys. ``intact``: the marked encoder itself, reloaded, resaved, in other batch sizes and threads.
    """

    unmarked: list[float]
    wrong_keys: list[float]
    intact: list[float]


@dataclass(frozen=True)
class Threshold:
    """A trial succeeds iff its statistic is at least ``value``.

    ``law`` names the exact law of the statistic under the null where there is one, and ``p_value`` is that law's
    probability of reaching ``value``; both are ``None`` where only the measured nulls speak.
    """

    value: float
    law: str | None = None
    p_value: float | None = None


class Scheme(Protocol):
    """The functions of a module in ``watermarks/``; the contract is that folder's docstring."""

    def embed(
        self, encoder: Encoder, key: bytes, images: Tensor, generator: torch.Generator, **settings: Any
    ) -> tuple[Encoder, Secret]: ...

    def impostor(self, secret: Secret, key: bytes) -> Secret: ...

    def statistic(self, suspect: Encoder, secret: Secret, batch: int = ...) -> float: ...

    def calibrate(self, nulls: Nulls, secret: Secret) -> Threshold: ...
