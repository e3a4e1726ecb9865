"""Sizes against counts by hand, torch's FLOP counter, products of indicators, scipy's sparse rows and packed bits."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from prunemark import registry
from prunemark.metrics.size import compression_ratio, layouts, macs, nonzeros
from prunemark.model.encoder import Architecture, Encoder, state_bytes, weights
from prunemark.model.randomness import draw_parameters, generator
from prunemark.pruning.channel_groups import groups, shrink
from prunemark.pruning.channels import channel_mask, keep_channels
from prunemark.pruning.mask import apply, masks_from_scores

ARCHITECTURES = registry.names("encoders")


def draw_encoder(architecture: str = "resnet18", width: int = 4, size: int = 16) -> Encoder:
    spec = Architecture(architecture, width, size)
    return draw_parameters(Encoder(spec), generator("test encoder")).eval()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return draw_encoder()


def prune(encoder: Encoder, rate: str) -> Encoder:
    scores = {name: weight.detach().abs() for name, weight in weights(encoder).items()}
    return apply(copy.deepcopy(encoder), masks_from_scores(scores, rate, "global"))


def both(encoder: Encoder, rate: str) -> tuple[Encoder, Encoder]:
    """The encoder with channels of zeros, and without these channels."""
    found = groups(encoder)
    scores = {one.name: torch.rand(one.size, generator=generator("test", one.name)) for one in found}
    kept = keep_channels(found, scores, rate, "global")
    return apply(copy.deepcopy(encoder), channel_mask(encoder, found, kept)), shrink(encoder, found, kept)


def flops(encoder: Encoder) -> int:
    size = encoder.spec.image_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 3, size, size))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("size", [16, 28, 96])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_macs_are_half_of_torchs_flops(architecture: str, size: int) -> None:
    dense = draw_encoder(architecture, 4, size)
    masked, small = both(dense, "0.5")
    for one in (dense, prune(dense, "0.5"), masked, small):
        assert 2 * macs(one)[0] == flops(one)
    assert macs(small)[0] < macs(masked)[0] == macs(dense)[0]


def test_macs_of_a_resnet18_by_hand(encoder: Encoder) -> None:
    """Width 4 on 16 x 16: per group, 3x3 convolutions at (positions x in x out), and 1x1 shortcuts from the second."""
    expected = 16 * 16 * 9 * 3 * 4 + 4 * (16 * 16 * 9 * 4 * 4)
    for i, side in enumerate((8, 4, 2)):
        inner, outer = 4 * 2**i, 8 * 2**i
        expected += side * side * (9 * inner * outer + 3 * 9 * outer * outer + inner * outer)
    assert macs(encoder) == (expected, expected)


def test_macs_of_the_papers_resnet18() -> None:
    """He et al. 2016, table 1: 1.8 x 10^9 at 224 x 224; torchvision states 1.814 GFLOPS, its fc of 512,000 included."""
    assert macs(draw_encoder("resnet18", 64, 224))[0] == pytest.approx(1.814e9 - 512_000, rel=5e-4)


def test_counting_changes_nothing_and_leaves_no_hook(encoder: Encoder) -> None:
    before = state_bytes(encoder)
    macs(encoder)
    layouts(encoder)
    assert state_bytes(encoder) == before
    assert not any(module._forward_hooks for module in encoder.modules())


def useful_products(encoder: Encoder) -> int:
    """Every product of a weight and a pixel, padding included, is 1 where the weight is not zero: added up."""
    total = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        used = (module.weight != 0).double()
        if isinstance(module, nn.Conv2d):
            ones = functional.pad(torch.ones_like(inputs[0], dtype=torch.float64), [module.padding[0]] * 4, value=1)
            products = functional.conv2d(ones, used, stride=module.stride)
            assert products.shape == output.shape
        else:
            products = torch.ones_like(inputs[0], dtype=torch.float64) @ used.T
        total += int(products.sum())

    layers = [module for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [module.register_forward_hook(add) for module in layers]
    size = encoder.spec.image_size
    with torch.no_grad():
        encoder(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_macs_by_weights_that_are_not_zero(architecture: str) -> None:
    dense = draw_encoder(architecture, 4, 28)
    every = macs(dense)[0]
    masked, small = both(dense, "0.5")
    for one in (dense, prune(dense, "0.5"), prune(dense, "0.99"), masked, small, prune(small, "0.5")):
        assert macs(one)[1] == useful_products(one)
    assert macs(dense) == (every, every)
    assert macs(prune(dense, "0.99"))[0] == every
    assert macs(prune(dense, "0.99"))[1] < macs(prune(dense, "0.5"))[1] < every
    assert macs(small) == (macs(masked)[1], macs(masked)[1])


def test_macs_of_linear_layers(encoder: Encoder) -> None:
    headed = copy.deepcopy(encoder)
    headed.backbone = nn.Sequential(encoder.backbone, nn.Linear(encoder.features, 5))
    with torch.no_grad():
        headed.backbone[1].weight[:2] = 0
    more = (5 * encoder.features, 3 * encoder.features)
    assert macs(headed) == tuple(a + b for a, b in zip(macs(encoder), more, strict=True))
    assert macs(headed)[1] == useful_products(headed)


def counted(encoder: Encoder) -> tuple[int, int, int]:
    """Weights that are not zero, all weights, and all parameters that are not zero, one by one."""
    prunable = {id(weight) for weight in weights(encoder).values()}
    lists = [(id(parameter) in prunable, parameter.detach().flatten().tolist()) for parameter in encoder.parameters()]
    kept = sum(value != 0 for is_weight, values in lists if is_weight for value in values)
    left = sum(value != 0 for _, values in lists for value in values)
    return kept, sum(len(values) for is_weight, values in lists if is_weight), left


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_zeros_and_the_compression_ratio_by_counting(architecture: str) -> None:
    """Blalock et al. 2020, section 6: original size over new size; biases and batch normalisation count in both."""
    dense = draw_encoder(architecture)
    with torch.no_grad():
        dense.backbone.bn1.bias.fill_(0.5)  # drawn encoders have none but zeros there
    original = counted(dense)[2] + sum(int((p == 0).sum()) for p in dense.parameters())
    masked, small = both(dense, "0.5")
    for one in (dense, prune(dense, "0.5"), prune(dense, "0.99"), masked, small):
        kept, total, left = counted(one)
        assert nonzeros(one) == (kept, total)
        assert compression_ratio(dense, one) == pytest.approx(original / left, rel=1e-12)
    assert nonzeros(small)[0] == nonzeros(small)[1] == nonzeros(masked)[0]
    assert nonzeros(masked)[1] == nonzeros(dense)[1]


def stored(encoder: Encoder) -> dict[str, int]:
    """What numpy and scipy really allocate for every layout."""
    found = dict.fromkeys(("dense", "half", "bitmask", "sparse"), 0)
    for name, tensor in encoder.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        array = tensor.contiguous().numpy()
        sparse = packed = array.nbytes
        if name in weights(encoder):
            rows = csr_matrix(array.reshape(len(array), -1))
            assert rows.data.itemsize == rows.indices.itemsize == rows.indptr.itemsize == 4
            sparse = min(array.nbytes, rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes)
            packed = np.packbits(array != 0).nbytes + array[array != 0].nbytes
        sizes = {"dense": array.nbytes, "half": array.astype(np.float16).nbytes, "bitmask": packed, "sparse": sparse}
        found = {layout: found[layout] + size for layout, size in sizes.items()}
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_layouts_are_what_numpy_and_scipy_allocate(architecture: str) -> None:
    dense = draw_encoder(architecture, 5)
    found = {rate: layouts(prune(dense, rate)) for rate in ("0", "0.3", "0.5", "0.6", "0.9", "0.99")}
    for rate, sizes in found.items():
        assert sizes == stored(prune(dense, rate)), rate
    small = both(dense, "0.5")[1]
    assert layouts(small) == stored(small)
    # An entry of a sparse row costs twice that of a dense one: nothing is gained below half, and a bit always costs.
    assert found["0"]["sparse"] == found["0"]["dense"] < found["0"]["bitmask"]
    assert found["0.99"]["sparse"] < found["0.99"]["bitmask"] < found["0.99"]["dense"]
    assert layouts(small)["dense"] < found["0.99"]["dense"] == found["0"]["dense"]
    assert all(sizes["half"] * 2 == sizes["dense"] for sizes in found.values())


def test_the_dense_layout_is_the_state(encoder: Encoder) -> None:
    header = sum(
        len(f"{n} {t.dtype} {tuple(t.shape)}\n") for n, t in encoder.state_dict().items() if "batches" not in n
    )
    assert layouts(encoder)["dense"] == len(state_bytes(encoder)) - header
