"""What every criterion must keep, whatever it is: its signature, its scores, and that it leaves no trace."""

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
from prunemark.pruning.scopes import SCOPES

NAMES = registry.names("pruners")
Score = Callable[..., dict[str, Tensor]]


def module_bytes(module: nn.Module) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in module.state_dict().values()]


def hooks(module: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_knows_no_rate(name: str) -> None:
    module = registry.load("pruners", name)
    expected = ["encoder", "batches", "generator", *module.SETTINGS]
    assert list(inspect.signature(module.scores).parameters) == expected
    assert getattr(module, "SCOPE", "global") in SCOPES
    assert set(getattr(module, "LEAST", {})) <= set(module.SETTINGS)


@pytest.mark.parametrize("architecture", registry.names("encoders"))
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_and_of_all_prunable_weights(
    name: str,
    architecture: str,
    score: Score,
    new_encoder: Callable[..., Encoder],
    new_batches: Callable[..., Batches],
) -> None:
    encoder = new_encoder(2, 16, architecture)
    found = score(name, encoder, new_batches(encoder, count=4, size=4))
    assert {key: part.shape for key, part in found.items()} == {key: w.shape for key, w in weights(encoder).items()}
    for part in found.values():
        assert part.is_floating_point()
        assert part.isfinite().all()
        assert not part.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_weights_that_are_all_zero_are_numbers(
    name: str, score: Score, encoder: Encoder, batches: Batches
) -> None:
    empty = copy.deepcopy(encoder)
    with torch.no_grad():
        for weight in weights(empty).values():
            weight.zero_()
    assert all(part.isfinite().all() for part in score(name, empty, batches).values())


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_a_function_of_their_arguments(
    name: str, score: Score, encoder: Encoder, batches: Batches, new_batches: Callable[..., Batches]
) -> None:
    torch.manual_seed(1)
    ambient = torch.get_rng_state()
    first = score(name, encoder, batches)
    assert torch.equal(torch.get_rng_state(), ambient)
    torch.manual_seed(2)
    again = score(name, copy.deepcopy(encoder), new_batches(encoder))
    assert first.keys() == again.keys()
    assert all(first[key].numpy().tobytes() == again[key].numpy().tobytes() for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_left_untouched(name: str, score: Score, encoder: Encoder, batches: Batches) -> None:
    given = copy.deepcopy(encoder)
    given.backbone.bn1.requires_grad_(False)
    batches.objective.projector[0].requires_grad_(False)
    both = (given, batches.objective)
    before, objective, pixels = state_bytes(given), module_bytes(batches.objective), batches.images.clone()
    steps = [tensor.clone() for key, tensor in given.state_dict().items() if key.endswith("num_batches_tracked")]
    flags = [parameter.requires_grad for part in both for parameter in part.parameters()]
    for part in score(name, given, batches).values():
        part.fill_(7)
    assert state_bytes(given) == before
    assert steps == [t for key, t in given.state_dict().items() if key.endswith("num_batches_tracked")]
    assert module_bytes(batches.objective) == objective
    assert torch.equal(batches.images, pixels)
    assert [parameter.requires_grad for part in both for parameter in part.parameters()] == flags
    assert all(parameter.grad is None for part in both for parameter in part.parameters())
    assert not any(module.training for part in both for module in part.modules())
    assert [hooks(part) for part in both] == [0, 0]
    batches.objective.projector[0].requires_grad_(True)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "batch_count" not in registry.load("pruners", name).SETTINGS]
)
def test_a_criterion_without_batches_looks_at_none(name: str, score: Score, encoder: Encoder, batches: Batches) -> None:
    first, blind = score(name, encoder, batches), score(name, encoder, None)
    assert all(torch.equal(first[key], blind[key]) for key in first)


@pytest.mark.parametrize("name", [name for name in NAMES if "batch_count" in registry.load("pruners", name).SETTINGS])
def test_a_criterion_of_batches_looks_at_as_many_as_asked(
    name: str, score: Score, encoder: Encoder, new_batches: Callable[..., Batches]
) -> None:
    class Counted(Batches):
        counts: list[int] = []  # noqa: RUF012

        def draw(self, count: int, generator: torch.Generator):
            self.counts.append(count)
            return super().draw(count, generator)

    plain = new_batches(encoder)
    counted = Counted(plain.images, plain.size, plain.objective, plain.two_views)
    found = [score(name, encoder, counted, batch_count=count) for count in (1, 2)]
    assert counted.counts == [1, 2]
    assert any(not torch.equal(found[0][key], found[1][key]) for key in found[0])
