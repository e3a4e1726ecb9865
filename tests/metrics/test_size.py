"""Sizes against counts by hand, torch's FLOP counter and scipy's sparse rows."""

from __future__ import annotations

import copy

import pytest
import torch
from scipy.sparse import csr_matrix
from torch.utils.flop_counter import FlopCounterMode

from prunemark import methods
from prunemark.encoder import Architecture, Encoder, state_bytes, weights
from prunemark.mask import apply, masks_from_scores
from prunemark.metrics.size import macs, nonzeros, sparse_bytes
from prunemark.randomness import draw_parameters, generator


def draw_encoder(architecture: str = "resnet18", width: int = 4, size: int = 16) -> Encoder:
    spec = Architecture(architecture, width, size)
    return draw_parameters(Encoder(spec), generator("test encoder")).eval()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return draw_encoder()


@pytest.mark.parametrize("size", [16, 28, 96])
@pytest.mark.parametrize("architecture", methods.names("encoders"))
def test_macs_are_half_of_torchs_flops(architecture: str, size: int) -> None:
    encoder = draw_encoder(architecture, 4, size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder(torch.zeros(1, 3, size, size))
    assert 2 * macs(encoder) == counter.get_total_flops()


def test_macs_of_a_resnet18_by_hand(encoder: Encoder) -> None:
    """Width 4 on 16 x 16: per group, 3x3 convolutions at (positions x in x out), and 1x1 shortcuts from the second."""
    expected = 16 * 16 * 9 * 3 * 4 + 4 * (16 * 16 * 9 * 4 * 4)
    for i, side in enumerate((8, 4, 2)):
        inner, outer = 4 * 2**i, 8 * 2**i
        expected += side * side * (9 * inner * outer + 3 * 9 * outer * outer + inner * outer)
    assert macs(encoder) == expected


def test_macs_of_the_papers_resnet18() -> None:
    """He et al. 2016, table 1: 1.8 x 10^9 at 224 x 224; torchvision states 1.814 GFLOPS, its fc of 512,000 included."""
    assert macs(draw_encoder("resnet18", 64, 224)) == pytest.approx(1.814e9 - 512_000, rel=5e-4)


def test_counting_changes_nothing_and_leaves_no_hook(encoder: Encoder) -> None:
    before = state_bytes(encoder)
    macs(encoder)
    assert state_bytes(encoder) == before
    assert not any(module._forward_hooks for module in encoder.modules())


def test_macs_do_not_shrink_under_a_mask(encoder: Encoder) -> None:
    assert macs(prune(encoder, "0.9")) == macs(encoder)


def prune(encoder: Encoder, rate: str) -> Encoder:
    scores = {name: weight.detach().abs() for name, weight in weights(encoder).items()}
    return apply(copy.deepcopy(encoder), masks_from_scores(scores, rate, "global"))


@pytest.mark.parametrize("rate", ["0", "0.5", "0.99"])
def test_nonzeros_and_sparse_bytes_are_scipys(rate: str, encoder: Encoder) -> None:
    pruned = prune(encoder, rate)
    total, stored, kept = 0, 0, 0
    for name, tensor in pruned.state_dict().items():
        if name in weights(pruned):
            rows = csr_matrix(tensor.reshape(tensor.shape[0], -1).numpy())
            assert rows.data.itemsize == rows.indices.itemsize == rows.indptr.itemsize == 4
            stored += rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes
            kept += rows.nnz
            total += tensor.numel()
        elif not name.endswith("num_batches_tracked"):
            stored += tensor.numpy().nbytes
    assert nonzeros(pruned) == (kept, total)
    assert sparse_bytes(pruned) == stored
