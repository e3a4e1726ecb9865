"""What every watermark scheme and passive check must keep, whatever it is."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from prunemark import methods
from prunemark.encoder import GRID, Encoder, state, state_bytes
from prunemark.files import read_json, write_json
from prunemark.store import read_encoder, read_tensors, write_encoder, write_tensors
from prunemark.watermark import Nulls, Secret

NAMES = methods.names("watermarks")
FACTS = {name: methods.constants("watermarks", name) for name in NAMES}
SCHEMES = [name for name in NAMES if FACTS[name]["KIND"] != "control"]
FRAGILE = [name for name in SCHEMES if FACTS[name]["KIND"] in ("fragile", "reversible")]
CONSTANTS = ("ACTIVE", "KIND", "LEVEL", "KEYED", "WRONG_KEYS", "SETTINGS")
WRONG = bytes(32)

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]


def threshold(name: str, marked: Encoder, secret: Secret, other: Encoder) -> float:
    scheme = methods.load("watermarks", name)
    keys = [bytes([i]) * 32 for i in range(3)] if FACTS[name]["KEYED"] else []
    nulls = Nulls(
        unmarked=[scheme.statistic(other, secret)],
        wrong_keys=[scheme.statistic(marked, scheme.impostor(secret, key)) for key in keys],
        intact=[scheme.statistic(marked, secret)],
    )
    return float(scheme.calibrate(nulls, secret).value)


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_literal_and_valid(name: str) -> None:
    module, facts = methods.load("watermarks", name), FACTS[name]
    assert {key: getattr(module, key) for key in CONSTANTS} == {key: facts[key] for key in CONSTANTS}
    assert type(facts["ACTIVE"]) is bool
    assert type(facts["KEYED"]) is bool
    assert facts["KIND"] in ("fragile", "robust", "reversible", "control")
    assert facts["LEVEL"] in ("WEIGHTS", "FEATURES", "LABELS")
    assert type(facts["WRONG_KEYS"]) is int
    assert (facts["WRONG_KEYS"] > 0) == facts["KEYED"]


@pytest.mark.parametrize("name", NAMES)
def test_functions_fit_the_kind(name: str) -> None:
    module, facts = methods.load("watermarks", name), FACTS[name]
    assert list(inspect.signature(module.embed).parameters) == [
        "encoder", "key", "images", "generator", *facts["SETTINGS"],
    ]  # fmt: skip
    rest = ("impostor", "statistic", "calibrate")
    assert all(hasattr(module, function) == (facts["KIND"] != "control") for function in rest)
    assert hasattr(module, "restore") == (facts["KIND"] == "reversible")


@pytest.mark.parametrize("name", NAMES)
def test_embedding_leaves_its_argument_untouched_and_repeats(
    name: str, encoder: Encoder, embed: Embed, marks: Marks
) -> None:
    marked, secret = marks(name)
    before = state_bytes(encoder)
    again, same = embed(name, encoder)
    assert state_bytes(encoder) == before
    assert all(parameter.requires_grad and parameter.grad is None for parameter in encoder.parameters())
    assert (again is encoder) == (not FACTS[name]["ACTIVE"])
    assert state_bytes(again) == state_bytes(marked)
    assert same.facts == secret.facts
    assert same.tensors.keys() == secret.tensors.keys()
    assert all(torch.equal(same.tensors[key], secret.tensors[key]) for key in secret.tensors)


@pytest.mark.parametrize("name", NAMES)
def test_marked_encoder_is_an_encoder_on_the_grid(name: str, encoder: Encoder, marks: Marks) -> None:
    marked, _ = marks(name)
    for key, tensor in state(marked).items():
        scaled = tensor.double() * GRID
        assert torch.equal(scaled, scaled.round()), key
    changed = state_bytes(marked) != state_bytes(encoder)
    assert changed == (FACTS[name]["ACTIVE"] and FACTS[name]["KIND"] != "control")
    assert all(p.requires_grad and p.grad is None for p in marked.parameters())


@pytest.mark.parametrize("name", SCHEMES)
def test_intact_passes_and_others_do_not(
    name: str, encoder: Encoder, other_encoder: Encoder, marks: Marks, tmp_path: Path
) -> None:
    scheme, (marked, secret) = methods.load("watermarks", name), marks(name)
    limit = threshold(name, marked, secret, other_encoder)
    write_encoder(tmp_path / "encoder.safetensors", marked)
    intact = [scheme.statistic(read_encoder(tmp_path / "encoder.safetensors"), secret, batch) for batch in (1, 3, 250)]
    assert min(intact) >= limit
    assert scheme.statistic(other_encoder, secret) < limit
    if FACTS[name]["ACTIVE"]:
        assert scheme.statistic(encoder, secret) < limit
    if FACTS[name]["KEYED"]:
        assert scheme.statistic(marked, scheme.impostor(secret, WRONG)) < limit


@pytest.mark.parametrize("name", SCHEMES)
def test_secret_survives_the_disk(name: str, marks: Marks, other_encoder: Encoder, tmp_path: Path) -> None:
    scheme, (marked, secret) = methods.load("watermarks", name), marks(name)
    write_tensors(tmp_path / "secret.safetensors", secret.tensors)
    write_json(tmp_path / "secret.json", secret.facts)
    tensors, _ = read_tensors(tmp_path / "secret.safetensors")
    read = Secret(tensors, read_json(tmp_path / "secret.json"))
    assert read.facts == secret.facts == json.loads(json.dumps(secret.facts))
    assert tensors.keys() == secret.tensors.keys()
    for key, tensor in secret.tensors.items():
        assert tensors[key].dtype == tensor.dtype
        assert torch.equal(tensors[key], tensor)
    assert scheme.statistic(marked, read) == scheme.statistic(marked, secret)


@pytest.mark.parametrize("name", FRAGILE)
def test_one_flipped_bit_is_noticed(name: str, marks: Marks, other_encoder: Encoder) -> None:
    """Of the weights any bit; of the features the sign of the stem's largest weight."""
    scheme, (marked, secret) = methods.load("watermarks", name), marks(name)
    limit = threshold(name, marked, secret, other_encoder)
    bit = 0 if FACTS[name]["LEVEL"] == "WEIGHTS" else 31
    names = list(state(marked)) if FACTS[name]["LEVEL"] == "WEIGHTS" else ["backbone.conv1.weight"]
    for tensor in names:
        altered = copy.deepcopy(marked)
        values = altered.state_dict()[tensor]
        flat = values.reshape(-1).clone()
        place = int(flat.abs().argmax())
        flat[place] = flip(flat[place], bit)
        values.copy_(flat.view(values.shape))
        assert scheme.statistic(altered, secret) < limit, tensor


def flip(value: Tensor, bit: int) -> Tensor:
    return (value.view(torch.int32) ^ (-(2**31) if bit == 31 else 1 << bit)).view(torch.float32)


def damage_values(value: float) -> Callable[[Encoder], None]:
    def run(encoder: Encoder) -> None:
        for parameter in encoder.parameters():
            parameter.detach().fill_(value)

    return run


def shrink_convolutions(encoder: Encoder) -> None:
    """What structured pruning leaves: every inner width halved."""
    smaller = Encoder(type(encoder.spec)("resnet18", 4, 16))
    encoder.backbone = smaller.backbone.eval()


def forget_layers(encoder: Encoder) -> None:
    encoder.backbone = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


DAMAGES = {
    "nan": damage_values(float("nan")),
    "inf": damage_values(float("inf")),
    "zero": damage_values(0.0),
    "huge": damage_values(1e30),
    "narrower": shrink_convolutions,
    "no layers": forget_layers,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", SCHEMES)
def test_statistic_never_raises(name: str, damage: str, marks: Marks, other_encoder: Encoder) -> None:
    scheme, (marked, secret) = methods.load("watermarks", name), marks(name)
    altered = copy.deepcopy(marked)
    DAMAGES[damage](altered)
    assert scheme.statistic(altered, secret) < threshold(name, marked, secret, other_encoder)
