"""Which channels of an encoder must go together, and the smaller encoder without some.

The groups come from Torch-Pruning's dependency graph (Fang et al. 2023, DepGraph, https://arxiv.org/abs/2301.12900): a
channel of a residual stream is written by several convolutions and read by several, and all lose it or none. The
channels of the features are the encoder's interface, on which heads and verifiers stand, and are never removed.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
import torch_pruning
from torch import nn

from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Encoder
from prunemark.pruning.channels import Group, Kept

OUTPUT = torch_pruning.ops.OPTYPE.OUTPUT


def groups(encoder: Encoder) -> list[Group]:
    """The groups whose channels can be removed, in the order of their first writers.

    Raises:
        PrunemarkError: channels that are not wired one to one, as in grouped convolutions.
    """
    order = {name: place for place, (name, _) in enumerate(encoder.named_modules())}
    names = {module: name for name, module in encoder.named_modules()}
    found = [
        described(members, names, order)
        for members in dependencies(encoder).get_all_groups(root_module_types=[nn.Conv2d])
        if all(dependency.target.type is not OUTPUT for dependency, _ in members)
    ]
    return sorted(found, key=lambda group: order[group.name])


def dependencies(encoder: Encoder) -> torch_pruning.DependencyGraph:
    """Torch-Pruning's graph of an encoder, traced on one image."""
    size, training = encoder.spec.image_size, encoder.training
    image = torch.zeros(1, 3, size, size, device=encoder.mean.device)
    found = torch_pruning.DependencyGraph().build_dependency(encoder, image)
    encoder.train(training)
    return found


def described(members: torch_pruning.Group, names: dict[nn.Module, str], order: dict[str, int]) -> Group:
    size = len(members[0].idxs)
    roles: dict[str, list[str]] = {"writers": [], "norms": [], "readers": []}
    structure = []
    for dependency, places in members:
        module = dependency.target.module
        side = "in" if dependency.handler.__name__ == "prune_in_channels" else "out"
        structure.append(f"{type(module).__name__} {side}")
        if module in names:
            if list(places) != list(range(size)):
                raise PrunemarkError(f"{names[module]}: its channels are not wired one to one; they cannot be removed")
            role = "norms" if isinstance(module, nn.BatchNorm2d) else "readers" if side == "in" else "writers"
            roles[role].append(names[module])
    found = {role: tuple(sorted(held, key=order.__getitem__)) for role, held in roles.items()}
    return Group(size, found["writers"], found["norms"], found["readers"], tuple(structure))


def shrink(encoder: Encoder, found: list[Group], kept: Kept) -> Encoder:
    """A copy of the encoder without the removed channels; its ``spec`` says how many every module has left."""
    small = copy.deepcopy(encoder)
    graph = dependencies(small)
    for group in found:
        gone = torch.nonzero(~kept[group.name]).flatten().tolist()
        if gone:
            root = small.get_submodule(group.name)
            graph.get_pruning_group(root, torch_pruning.prune_conv_out_channels, idxs=gone).prune()
    small.spec = replace(encoder.spec, channels=sizes(small))
    small.zero_grad(set_to_none=True)
    return small.eval()


def sizes(encoder: Encoder) -> dict[str, list[int]]:
    """Output and input channels of every convolution, by its name."""
    modules = encoder.named_modules()
    return {name: [m.out_channels, m.in_channels] for name, m in modules if isinstance(m, nn.Conv2d)}
