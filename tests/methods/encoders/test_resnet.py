"""ResNets: torchvision's at the paper's width and stem, and what every architecture must keep."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prunemark import registry
from prunemark.methods.datasets._torchvision import torchvision
from prunemark.methods.encoders._resnet import SMALL_IMAGE, ResNet
from prunemark.model.encoder import Architecture, Encoder, weights
from prunemark.model.randomness import draw_parameters, generator

NAMES = registry.names("encoders")
TORCHVISION = ("resnet18", "resnet34", "resnet50")


@pytest.mark.parametrize("name", TORCHVISION)
def test_equals_torchvision_without_its_head(name: str) -> None:
    torch.manual_seed(0)
    theirs = draw_parameters(getattr(torchvision().models, name)(weights=None), generator("test", name))
    for part in theirs.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    theirs.fc = nn.Identity()
    ours = registry.load("encoders", name).backbone(64, 224)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, 224, 224, generator=generator("test images"))
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-6, atol=1e-6)
    assert ours.features == theirs(images).shape[1]


def stem(size: int) -> ResNet:
    module: ResNet = registry.load("encoders", "resnet18").backbone(4, size)
    return module


@pytest.mark.parametrize("size", [16, 32, SMALL_IMAGE])
def test_small_images_keep_their_size_in_the_stem(size: int) -> None:
    small = stem(size)
    assert (small.conv1.kernel_size, small.conv1.stride, small.conv1.padding) == ((3, 3), (1, 1), (1, 1))
    images = torch.zeros(1, 3, size, size)
    assert small.maxpool(small.conv1(images)).shape == (1, 4, size, size)
    assert small.layer4(small.layer3(small.layer2(small.layer1(small.conv1(images))))).shape == (
        1,
        32,
        size // 8,
        size // 8,
    )


def test_larger_images_are_halved_twice_in_the_stem() -> None:
    large = stem(SMALL_IMAGE + 1)
    assert (large.conv1.kernel_size, large.conv1.stride) == ((7, 7), (2, 2))
    assert large.maxpool(large.conv1(torch.zeros(1, 3, 224, 224))).shape == (1, 4, 56, 56)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    module = registry.load("encoders", name)
    for width, size in ((4, 16), (5, 28), (4, 96)):
        network = module.backbone(width, size).eval()
        with torch.no_grad():
            out = network(torch.zeros(2, 3, size, size))
        assert out.shape == (2, network.features)
        assert out.dtype == torch.float32
        assert torch.equal(out[0], out[1])
    assert all(name.endswith("weight") for name in weights(network))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_drawn_from_the_generator_alone(name: str) -> None:
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        encoder = draw_parameters(Encoder(Architecture(name, 4, 16)), generator("test", 0))
        drawn.append(torch.cat([parameter.detach().flatten() for parameter in encoder.parameters()]))
    assert torch.equal(*drawn)
    other = draw_parameters(Encoder(Architecture(name, 4, 16)), generator("test", 1))
    assert not torch.equal(drawn[0], torch.cat([parameter.detach().flatten() for parameter in other.parameters()]))


@pytest.mark.parametrize("name", NAMES)
def test_initial_convolutions_have_the_variance_of_he_et_al(name: str) -> None:
    encoder = draw_parameters(Encoder(Architecture(name, 16, 16)), generator("test", 0))
    for weight in weights(encoder).values():
        if weight.numel() > 10_000:
            expected = (2 / (weight.shape[0] * weight.shape[2] * weight.shape[3])) ** 0.5
            assert weight.std().item() == pytest.approx(expected, rel=0.05)
