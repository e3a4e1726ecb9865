"""What every criterion of channels must keep: its signature, its scores, and that it leaves no trace."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.model.encoder import Encoder, state_bytes, weights
from prunemark.pruning.batches import Batches
from prunemark.pruning.channels import Group
from prunemark.pruning.scopes import CHANNEL_SCOPES

NAMES = registry.names("structured")
OF_BATCHES = [name for name in NAMES if "batch_count" in registry.load("structured", name).SETTINGS]
Score = Callable[..., dict[str, Tensor]]
New = Callable[..., tuple[Encoder, list[Group]]]
NewBatches = Callable[..., Batches]


def module_bytes(module: nn.Module) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in module.state_dict().values()]


def hooks(module: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_knows_no_rate(name: str) -> None:
    module = registry.load("structured", name)
    expected = ["encoder", "groups", "batches", "generator", *module.SETTINGS]
    assert list(inspect.signature(module.scores).parameters) == expected
    assert module.SCOPE in CHANNEL_SCOPES
    assert set(getattr(module, "LEAST", {})) <= set(module.SETTINGS)


@pytest.mark.parametrize("architecture", registry.names("encoders"))
@pytest.mark.parametrize("name", NAMES)
def test_one_finite_score_per_channel_of_every_group(
    name: str, architecture: str, score: Score, new: New, new_batches: NewBatches
) -> None:
    encoder, found = new(architecture)
    scores = score(name, encoder, found, new_batches(encoder, count=4, size=4))
    assert {key: tuple(part.shape) for key, part in scores.items()} == {group.name: (group.size,) for group in found}
    for part in scores.values():
        assert part.is_floating_point()
        assert part.isfinite().all()
        assert not part.requires_grad
        assert len(set(part.tolist())) > 1


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_weights_that_are_all_zero_are_numbers(
    name: str, score: Score, new: New, new_batches: NewBatches
) -> None:
    encoder, found = new()
    empty = copy.deepcopy(encoder)
    with torch.no_grad():
        for weight in weights(empty).values():
            weight.zero_()
    assert all(part.isfinite().all() for part in score(name, empty, found, new_batches(encoder)).values())


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_a_function_of_their_arguments(name: str, score: Score, new: New, new_batches: NewBatches) -> None:
    encoder, found = new()
    batches, same = new_batches(encoder), new_batches(encoder)
    torch.manual_seed(1)
    ambient = torch.get_rng_state()
    first = score(name, encoder, found, batches)
    assert torch.equal(torch.get_rng_state(), ambient)
    torch.manual_seed(2)
    again = score(name, copy.deepcopy(encoder), list(found), same)
    assert first.keys() == again.keys()
    assert all(first[key].numpy().tobytes() == again[key].numpy().tobytes() for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_left_untouched(name: str, score: Score, new: New, new_batches: NewBatches) -> None:
    shared, found = new()
    given, batches = copy.deepcopy(shared), new_batches(shared)
    given.backbone.bn1.requires_grad_(False)
    batches.objective.projector[0].requires_grad_(False)
    both = (given, batches.objective)
    before, counters, pixels = state_bytes(given), [module_bytes(part) for part in both], batches.images.clone()
    flags = [parameter.requires_grad for part in both for parameter in part.parameters()]
    groups = copy.deepcopy(found)
    for part in score(name, given, groups, batches).values():
        part.fill_(7)
    assert groups == found
    assert state_bytes(given) == before
    assert [module_bytes(part) for part in both] == counters
    assert torch.equal(batches.images, pixels)
    assert [parameter.requires_grad for part in both for parameter in part.parameters()] == flags
    assert all(parameter.grad is None for part in both for parameter in part.parameters())
    assert not any(module.training for part in both for module in part.modules())
    assert [hooks(part) for part in both] == [0, 0]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_BATCHES])
def test_a_criterion_without_batches_looks_at_none(name: str, score: Score, new: New, new_batches: NewBatches) -> None:
    encoder, found = new()
    first, blind = (score(name, encoder, found, batches) for batches in (new_batches(encoder), None))
    assert all(torch.equal(first[key], blind[key]) for key in first)


@pytest.mark.parametrize("name", OF_BATCHES)
def test_a_criterion_of_batches_looks_at_as_many_as_asked(
    name: str, score: Score, new: New, new_batches: NewBatches
) -> None:
    encoder, found = new()
    scores = []
    for count in (1, 3):
        batches = new_batches(encoder)
        scores.append(score(name, encoder, found, batches, batch_count=count))
        assert len(batches.two_views.seen) == count
    assert any(not torch.equal(scores[0][key], scores[1][key]) for key in scores[0])


def test_random_alone_follows_the_seed_of_what_looks_at_no_batches(score: Score, new: New) -> None:
    encoder, found = new()
    for name in (name for name in NAMES if name not in OF_BATCHES):
        first, other = (score(name, encoder, found, None, seed=seed) for seed in (0, 1))
        assert any(not torch.equal(first[key], other[key]) for key in first) == (name == "random"), name
