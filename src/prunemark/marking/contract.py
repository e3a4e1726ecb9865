"""What a scheme keeps and what is compared: the secret, a reading of a suspect, the nulls, the threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from prunemark.model.encoder import Encoder

Query = Callable[[Tensor], Tensor]
Suspect = Encoder | Query


@dataclass(frozen=True)
class Images:
    """uint8 (N, H, W, 3) each: ``train`` to embed with, ``keypool`` to draw keys from. The test set is in neither."""

    train: Tensor
    keypool: Tensor


@dataclass(frozen=True)
class Secret:
    """All that verification needs, and nothing else: tensors, and facts that JSON can hold (keys as hexadecimal)."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What one look at a suspect gave.

    ``statistic`` is what the threshold decides on. ``p_value`` is there where a law or a test on this very suspect
    gives one, ``trials`` where the statistic counts successes among so many. ``details`` are further raw numbers by
    name (a trigger's flips, the sparsity of the host layer), ``places`` the names of altered parts where a scheme
    localises.
    """

    statistic: float
    p_value: float | None = None
    trials: int | None = None
    details: dict[str, float] = field(default_factory=dict)
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nulls:
    """Statistics that no pruned encoder has touched, from which a threshold may come.

    ``unmarked``: independently trained encoders under the right secret and, of an active scheme, the encoder before
    embedding. ``wrong_keys``: the marked encoder under
    secrets of other keys. ``intact``: the marked encoder itself, reloaded, resaved, in other batch sizes and threads.
    """

    unmarked: list[float]
    wrong_keys: list[float]
    intact: list[float]


@dataclass(frozen=True)
class Threshold:
    """A trial succeeds iff its statistic is at least ``value``.

    ``law`` names where it comes from: the law of the statistic under the null, a published constant, the number of
    nulls it lies above; ``p_value`` is that law's probability of reaching ``value``, ``None`` where there is none.
    """

    value: float
    law: str | None = None
    p_value: float | None = None


class Scheme(Protocol):
    """The functions of a module in ``watermarks/`` or ``checks/``; the contracts are those folders' docstrings."""

    def impostor(self, secret: Secret, key: bytes) -> Secret: ...

    def measure(self, suspect: Any, secret: Secret) -> Reading: ...

    def calibrate(self, nulls: Nulls, secret: Secret) -> Threshold: ...


class Watermark(Scheme, Protocol):
    """A module in ``watermarks/``."""

    def embed(
        self, encoder: Encoder, key: bytes, images: Images, generator: torch.Generator, **settings: Any
    ) -> tuple[Encoder, Secret]: ...


class Check(Scheme, Protocol):
    """A module in ``checks/``."""

    def register(
        self, encoder: Encoder, logits: Query, key: bytes, images: Images, generator: torch.Generator, **settings: Any
    ) -> Secret: ...
