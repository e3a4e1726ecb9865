"""Channels that go together, which of them go at a rate, and the mask that says so in weights."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder, norms_behind, weights
from prunemark.pruning.mask import Mask, pruned_count
from prunemark.pruning.scopes import CHANNEL_SCOPES, channel_reach

Scores = dict[str, Tensor]
Kept = dict[str, Tensor]


@dataclass(frozen=True)
class Group:
    """Channels 0 .. ``size`` - 1 of the modules named here: of the outputs of convolutions (``writers``), of batch
    normalisations (``norms``), of the inputs of convolutions (``readers``). ``structure`` is equal for groups whose
    members are of the same kinds in the same order (Fang et al. 2024, Isomorphic Pruning,
    https://arxiv.org/abs/2407.04616, section 3.2). It has the name of its first writer.
    """

    size: int
    writers: tuple[str, ...]
    norms: tuple[str, ...]
    readers: tuple[str, ...]
    structure: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.writers[0]


def ranked_together(found: Iterable[Group], scope: str) -> list[list[Group]]:
    """The groups by what a scope compares.

    Raises:
        PrunemarkError: no such scope.
    """
    if scope not in CHANNEL_SCOPES:
        raise PrunemarkError(f"scope: {scope!r} is not allowed: {', '.join(CHANNEL_SCOPES)}")
    sets: dict[object, list[Group]] = {}
    for group in found:
        key = {"global": None, "layer": group.name, "isomorphic": group.structure}[scope]
        sets.setdefault(key, []).append(group)
    return list(sets.values())


def keep_channels(found: list[Group], scores: Scores, rate: str, scope: str) -> Kept:
    """True = kept, bool (size,) per group: of every set that the scope compares, the lowest go, as many as the rate
    asks for. The best channel of every group always stays. Equal scores go in the order of groups and positions, so
    that one set of scores gives nested selections.

    Raises:
        PrunemarkError: a score that is NaN, or a rate that would empty a layer.
    """
    kept: Kept = {}
    pruned_count(rate, 0)
    for together in ranked_together(found, scope):
        channel_reach([group.size for group in together], rate)
        ranks = []
        for group in together:
            score = scores[group.name].double().clone()
            if torch.isnan(score).any():
                raise PrunemarkError(f"scores of {group.name}: NaN found; every score must be a number")
            score[score.argmax()] = torch.inf
            ranks.append(score)
        flat = torch.cat(ranks)
        keep = torch.ones(len(flat), dtype=torch.bool)
        keep[torch.argsort(flat, stable=True)[: pruned_count(rate, len(flat))]] = False
        kept |= dict(zip((group.name for group in together), keep.split([len(r) for r in ranks]), strict=True))
    return kept


def channel_mask(encoder: Encoder, found: list[Group], kept: Kept) -> Mask:
    """Kept channels as a mask of weights: a removed channel loses the rows that write it and the columns that read it.

    Nobody reads what batch normalisation makes of an empty row, so the masked encoder computes what the smaller one
    does.
    """
    mask = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights(encoder).items()}
    for group in found:
        for name in group.writers:
            mask[f"{name}.weight"][~kept[group.name]] = False
        for name in group.readers:
            mask[f"{name}.weight"][:, ~kept[group.name]] = False
    return mask


def expand(small: Encoder, original: Encoder, mask: Mask) -> Encoder:
    """The smaller encoder in the shapes of the original: removed weights are zero, and what normalised removed channels
    is the original's. So whoever knows which channels are gone can read a mark that lies in weights.
    """
    wide, narrow = copy.deepcopy(original), small.state_dict()
    target = wide.state_dict()
    with torch.no_grad():
        for name, kept in mask.items():
            rows, columns = kept.flatten(1).any(dim=1), kept.transpose(0, 1).flatten(1).any(dim=1)
            full = torch.zeros_like(target[name], memory_format=torch.contiguous_format)
            full[rows.nonzero(), columns.nonzero().T] = narrow[name].contiguous()
            target[name].copy_(full)
        for name, norm in norm_rows(original, mask).items():
            for part in ("weight", "bias", "running_mean", "running_var"):
                target[f"{name}.{part}"][norm] = narrow[f"{name}.{part}"]
    return wide


def norm_rows(original: Encoder, mask: Mask) -> dict[str, Tensor]:
    """Which channels of every batch normalisation are left: those of the convolution before it."""
    names = {module: name for name, module in original.named_modules()}
    behind = norms_behind(original)
    return {names[norm]: mask[weight].flatten(1).any(dim=1) for weight, norm in behind.items()}
