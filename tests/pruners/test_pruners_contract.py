"""What every pruner must keep, whatever it is; and magnitude and random against something independent."""

from __future__ import annotations

import copy
import inspect

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from prunemark import methods
from prunemark.encoder import Architecture, Encoder, snap, state_bytes, weights
from prunemark.mask import apply, masks_from_scores
from prunemark.randomness import draw_parameters, generator

NAMES = methods.names("pruners")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return snap(draw_parameters(Encoder(Architecture("resnet18", 4, 16)), generator("test encoder")).eval())


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (32, 16, 16, 3), dtype=torch.uint8, generator=generator("test images"))


def score(name: str, encoder: Encoder, images: Tensor, seed: int = 0) -> dict[str, Tensor]:
    settings = methods.complete("pruners", name, {})
    found: dict[str, Tensor] = methods.load("pruners", name).scores(
        encoder, images, generator("test", seed), **settings
    )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_knows_no_rate(name: str) -> None:
    module = methods.load("pruners", name)
    expected = ["encoder", "images", "generator", *module.SETTINGS]
    assert list(inspect.signature(module.scores).parameters) == expected


@pytest.mark.parametrize("architecture", methods.names("encoders"))
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_and_of_all_prunable_weights(name: str, architecture: str, images: Tensor) -> None:
    encoder = draw_parameters(Encoder(Architecture(architecture, 2, 16)), generator("test")).eval()
    found = score(name, encoder, images)
    assert {key: part.shape for key, part in found.items()} == {key: w.shape for key, w in weights(encoder).items()}
    for part in found.values():
        assert part.is_floating_point()
        assert part.isfinite().all()
        assert not part.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_a_function_of_their_arguments(name: str, encoder: Encoder, images: Tensor) -> None:
    torch.manual_seed(1)
    first = score(name, encoder, images)
    torch.manual_seed(2)
    again = score(name, copy.deepcopy(encoder), images.clone())
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_left_untouched(name: str, encoder: Encoder, images: Tensor) -> None:
    before, pixels = state_bytes(encoder), images.clone()
    found = score(name, encoder, images)
    for part in found.values():
        part.fill_(7)
    assert state_bytes(encoder) == before
    assert torch.equal(images, pixels)
    assert not encoder.training
    assert all(p.requires_grad and p.grad is None for p in encoder.parameters())


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("name", NAMES)
def test_only_convolutions_and_linear_layers_are_pruned(
    name: str, scope: str, encoder: Encoder, images: Tensor
) -> None:
    pruned = apply(copy.deepcopy(encoder), masks_from_scores(score(name, encoder, images), "0.99", scope))
    before = encoder.state_dict()
    zeros = 0
    for key, tensor in pruned.state_dict().items():
        if key in weights(encoder):
            zeros += int((tensor == 0).sum())
        else:
            assert torch.equal(tensor, before[key]), key
    assert zeros >= 0.989 * sum(weight.numel() for weight in weights(encoder).values())
    norms = [module for module in pruned.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert all(norm.weight.all() for norm in norms)


@pytest.mark.parametrize("rate", ["0.1", "0.5", "0.9"])
def test_global_magnitude_removes_what_torch_removes(rate: str, images: Tensor) -> None:
    """torch.nn.utils.prune.global_unstructured with L1Unstructured, on weights of distinct magnitude."""
    encoder = Encoder(Architecture("resnet18", 4, 16)).eval()
    total = sum(weight.numel() for weight in weights(encoder).values())
    ranks = (torch.randperm(total, generator=generator("test ranks")) + 1) / 2**18
    signs = torch.randint(0, 2, (total,), generator=generator("test signs")) * 2 - 1
    with torch.no_grad():
        parts = (ranks * signs).split([weight.numel() for weight in weights(encoder).values()])
        for weight, part in zip(weights(encoder).values(), parts, strict=True):
            weight.copy_(part.view(weight.shape))
    mask = masks_from_scores(score("magnitude", encoder, images), rate, "global")

    theirs = copy.deepcopy(encoder).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    owners = {name: theirs.get_submodule(name.removesuffix(".weight")) for name in weights(encoder)}
    pairs = [(module, "weight") for module in owners.values()]
    torch_prune.global_unstructured(pairs, pruning_method=torch_prune.L1Unstructured, amount=float(rate))
    for name, module in owners.items():
        assert torch.equal(mask[name], module.weight_mask.bool()), name


def test_magnitude_is_the_absolute_value(encoder: Encoder, images: Tensor) -> None:
    found = score("magnitude", encoder, images)
    for name, weight in weights(encoder).items():
        assert torch.equal(found[name], torch.where(weight < 0, -weight, weight).detach())


@pytest.mark.parametrize("rate", ["0.2", "0.5", "0.9"])
def test_random_removes_the_same_share_everywhere(rate: str, images: Tensor) -> None:
    """Under a uniform draw the count per layer is hypergeometric: within 5 standard deviations of the rate."""
    encoder = Encoder(Architecture("resnet18", 8, 16)).eval()
    mask = masks_from_scores(score("random", encoder, images), rate, "global")
    share = float(rate)
    for name, part in mask.items():
        allowed = 5 * (share * (1 - share) / part.numel()) ** 0.5
        assert abs(float((~part).double().mean()) - share) < allowed, name


def test_random_is_another_draw_under_another_seed_and_blind_to_weights(encoder: Encoder, images: Tensor) -> None:
    first, other = score("random", encoder, images), score("random", encoder, images, seed=1)
    assert all(not torch.equal(first[name], other[name]) for name in first)
    changed = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(3)
    again = score("random", changed, 255 - images)
    assert all(torch.equal(first[name], again[name]) for name in first)
