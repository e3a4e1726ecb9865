"""Network Slimming against Liu et al. 2017, section 3: |gamma| of the channel, the layers paired by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prunemark.model.encoder import Encoder
from prunemark.pruning.mask import masks_from_scores

Score = Callable[..., dict[str, Tensor]]


def pairs(depths: tuple[int, ...], convolutions: int, first_shortcut: int) -> dict[str, str]:
    """The normalisation behind every convolution of a residual network (He et al. 2016), by name."""
    found = {"conv1": "bn1"}
    for group, depth in enumerate(depths, 1):
        for block in range(depth):
            prefix = f"layer{group}.{block}"
            for i in range(1, convolutions + 1):
                found[f"{prefix}.conv{i}"] = f"{prefix}.bn{i}"
        if group >= first_shortcut:
            found[f"layer{group}.0.downsample.0"] = f"layer{group}.0.downsample.1"
    return found


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("resnet18", pairs((2, 2, 2, 2), 2, 2)),
        ("resnet34", pairs((3, 4, 6, 3), 2, 2)),
        ("resnet50", pairs((3, 4, 6, 3), 3, 1)),
    ],
)
def test_every_weight_scores_the_scale_of_its_output_channel(
    architecture: str, expected: dict[str, str], new_encoder: Callable[..., Encoder], score: Score
) -> None:
    encoder = new_encoder(2, 16, architecture)
    found = score("bn-scale", encoder, None)
    assert found.keys() == {f"backbone.{name}.weight" for name in expected}
    for conv, norm in expected.items():
        gamma = encoder.backbone.get_submodule(norm).weight.tolist()
        part = found[f"backbone.{conv}.weight"]
        assert len(part) == len(gamma)
        for channel, scale in enumerate(gamma):
            assert (part[channel] == abs(scale)).all(), (conv, channel)


def test_channels_go_one_after_the_other_smallest_first(encoder: Encoder, score: Score) -> None:
    found = score("bn-scale", encoder, None)
    for rate in ("0.2", "0.5", "0.8"):
        mask = masks_from_scores(found, rate, "global")
        kept = {(float(found[n][i].max()), bool(c.any()), bool(c.all())) for n in mask for i, c in enumerate(mask[n])}
        partial = [scale for scale, some, every in kept if some and not every]
        assert len(partial) <= 1
        gone = [scale for scale, some, _ in kept if not some]
        whole = [scale for scale, _, every in kept if every]
        assert max(gone) <= min([*partial, *whole])
        assert max([*gone, *partial]) <= min(whole)


def test_a_layer_without_normalisation_behind_it_stays(new_stack: Callable[..., Encoder], score: Score) -> None:
    """A normalisation behind a ReLU, or behind a pooling, scales something else than the convolution's output."""
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU()]
    layers += [nn.BatchNorm2d(5), nn.Conv2d(5, 2, 3), nn.AvgPool2d(2), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2)]
    found = score("bn-scale", new_stack(*layers, features=2), None)
    assert [name for name, part in found.items() if part.isfinite().all()] == ["backbone.0.weight"]
    assert all((found[f"backbone.{i}.weight"] == torch.inf).all() for i in (3, 6, 10))
    mask = masks_from_scores(found, "0.25", "global")
    assert not mask["backbone.0.weight"].all()
    assert all(mask[f"backbone.{i}.weight"].all() for i in (3, 6, 10))
