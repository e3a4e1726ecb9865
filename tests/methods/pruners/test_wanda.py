"""Wanda against Sun et al. 2023, equation 1: the inputs of every layer laid out as a matrix, window by window."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prunemark.methods.pruners import wanda
from prunemark.model.encoder import Encoder
from prunemark.pruning.batches import Batches
from prunemark.pruning.mask import masks_from_scores

Score = Callable[..., dict[str, Tensor]]


def windows(layer: nn.Conv2d, inputs: np.ndarray) -> np.ndarray:
    """X (C kh kw, tokens): one column for every image and place of the window, in the order of a weight's row."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = layer.kernel_size, layer.stride, layer.padding, layer.dilation
    n, c, h, w = inputs.shape
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw))
    padded[:, :, ph : ph + h, pw : pw + w] = inputs
    columns = []
    for image in padded:
        for top in range(0, h + 2 * ph - dh * (kh - 1), sh):
            for left in range(0, w + 2 * pw - dw * (kw - 1), sw):
                window = image[:, top : top + dh * (kh - 1) + 1 : dh, left : left + dw * (kw - 1) + 1 : dw]
                columns.append(window.reshape(-1))
    return np.stack(columns, axis=1)


def equation_1(layer: nn.Module, inputs: np.ndarray) -> Tensor:
    """S_ij = |W_ij| ||X_j||_2, by loops over outputs i and inputs j."""
    w = layer.weight.detach().double().numpy()
    x = windows(layer, inputs) if isinstance(layer, nn.Conv2d) else inputs.reshape(-1, w.shape[1]).T
    rows = w.reshape(len(w), -1)
    s = np.zeros(rows.shape)
    for j in range(rows.shape[1]):
        norm = sum(value**2 for value in x[j]) ** 0.5
        for i in range(len(rows)):
            s[i, j] = abs(rows[i, j]) * norm
    return torch.from_numpy(s.reshape(w.shape))


def expected_scores(encoder: Encoder, images: Tensor) -> dict[str, Tensor]:
    """The equation for every layer of an encoder, its inputs caught as they go in."""
    model, caught = copy.deepcopy(encoder), {}
    for name, part in model.named_modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_pre_hook(lambda layer, inputs, n=name: caught.update({n: inputs[0].clone()}))
    with torch.no_grad():
        model(torch.from_numpy(images.numpy().transpose(0, 3, 1, 2) / np.float32(255)))
    return {
        f"{name}.weight": equation_1(model.get_submodule(name), inputs.double().numpy())
        for name, inputs in caught.items()
    }


class Tokens(nn.Module):
    """(N, C, H, W) to (N, H W, C): a linear layer behind it sees every place as a token."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1)


STACKS = {
    "strides and paddings": [nn.Conv2d(3, 2, (3, 2), (2, 1), (1, 0)), nn.ReLU(), nn.Conv2d(2, 4, 1, 2, 1)],
    "dilation": [nn.Conv2d(3, 2, (2, 3), padding=(2, 1), dilation=(2, 1)), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 2, 3)],
    "windows that leave a border out": [nn.Conv2d(3, 2, 3, stride=2), nn.ReLU(), nn.Conv2d(2, 4, 2)],
}


@pytest.mark.parametrize("name", list(STACKS))
def test_equals_the_equation_over_explicit_windows(
    name: str, new_stack: Callable[..., Encoder], new_batches: Callable[..., Batches], score: Score
) -> None:
    encoder = new_stack(*STACKS[name], Tokens(), nn.Linear(4, 3), nn.ReLU(), Mean(), nn.Linear(3, 2), features=2)
    batches = new_batches(encoder, count=3, size=3)
    found, expected = score("wanda", encoder, batches, batch_count=1), expected_scores(encoder, batches.images)
    assert found.keys() == expected.keys()
    assert len(found) == 4
    for key, part in expected.items():
        torch.testing.assert_close(found[key], part, rtol=1e-5, atol=1e-9)


def test_equals_the_equation_on_a_residual_network(
    new_encoder: Callable[..., Encoder], new_batches: Callable[..., Batches], score: Score
) -> None:
    """Sums and ReLU overwrite their inputs in this network, and some layers share theirs."""
    encoder = new_encoder(2, 8)
    batches = new_batches(encoder, count=3, size=3)
    found, expected = score("wanda", encoder, batches, batch_count=1), expected_scores(encoder, batches.images)
    assert found.keys() == expected.keys()
    for key, part in expected.items():
        torch.testing.assert_close(found[key], part, rtol=1e-5, atol=1e-9)


def test_batches_add_their_tokens(encoder: Encoder, new_batches: Callable[..., Batches], score: Score) -> None:
    """Every batch holds all images here: three of them are each token three times."""
    batches = new_batches(encoder, count=4, size=4)
    once, thrice = (score("wanda", encoder, batches, batch_count=count) for count in (1, 3))
    for name, part in once.items():
        torch.testing.assert_close(thrice[name], part * 3**0.5, rtol=1e-6, atol=0)


def test_weights_are_compared_within_an_output(encoder: Encoder, batches: Batches, score: Score) -> None:
    """Section 3: so that the scale of an output's weights moves no mask."""
    scaled = copy.deepcopy(encoder)
    conv = scaled.backbone.layer4[1].conv2.weight
    with torch.no_grad():
        conv.mul_(2.0 ** torch.arange(len(conv)).view(-1, 1, 1, 1).remainder(5))
    found = [masks_from_scores(score("wanda", e, batches), "0.5", wanda.SCOPE) for e in (encoder, scaled)]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
