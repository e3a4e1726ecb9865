"""What every watermark scheme and every passive check must keep, whatever it is."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.disk.files import read_json, write_json
from prunemark.disk.tensors import read_encoder, read_tensors, write_encoder, write_tensors
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.metrics.head import Head
from prunemark.model.encoder import GRID, Architecture, Encoder, features, state, state_bytes
from prunemark.model.randomness import draw_parameters, generator

WATERMARKS, CHECKS = registry.names("watermarks"), registry.names("checks")
NAMES = (*WATERMARKS, *CHECKS)
FACTS = {name: registry.constants("watermarks" if name in WATERMARKS else "checks", name) for name in NAMES}
SCHEMES = [name for name in NAMES if FACTS[name]["KIND"] != "control"]
FRAGILE = [name for name in SCHEMES if FACTS[name]["KIND"] in ("fragile", "reversible")]
LEARNT = [name for name in WATERMARKS if {"steps", "epochs"} & FACTS[name]["SETTINGS"].keys()]
CONSTANTS = ("KIND", "LEVEL", "KEYED", "WRONG_KEYS", "SETTINGS")
WRONG = bytes(32)
# A few steps draw all that many draw; not for schemes that refuse a mark that did not take.
FEW = {name: {"steps": 5} for name in ("wu", "armssl", "ssl-wm")}
FEW |= {name: {"steps": 5, "perturb": 5} for name in ("awencoder", "awencoder-features")}
FEW["sslguard"] = {"steps": 60}
GIVEN = {"watermarks": ["encoder", "key", "images", "generator"],
         "checks": ["encoder", "logits", "key", "images", "generator"]}  # fmt: skip

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]


def load(name: str) -> ModuleType:
    return registry.load("watermarks" if name in WATERMARKS else "checks", name)


def threshold(name: str, marked: Encoder, secret: Secret, encoder: Encoder, other: Encoder, read: Read) -> float:
    scheme = load(name)
    keys = [bytes([i]) * 32 for i in range(3)] if FACTS[name]["KEYED"] else []
    clean = [encoder] if name in WATERMARKS else []
    nulls = Nulls(
        unmarked=[read(name, null, secret).statistic for null in (other, *clean)],
        wrong_keys=[read(name, marked, scheme.impostor(secret, key)).statistic for key in keys],
        intact=[read(name, marked, secret).statistic],
    )
    return float(scheme.calibrate(nulls, secret).value)


@pytest.mark.parametrize("name", NAMES)
def test_constants_are_literal_and_valid(name: str) -> None:
    module, facts = load(name), FACTS[name]
    assert {key: getattr(module, key) for key in CONSTANTS} == {key: facts[key] for key in CONSTANTS}
    assert type(facts["KEYED"]) is bool
    for end in ("LEAST", "MOST"):
        assert facts.get(end, {}).keys() <= facts["SETTINGS"].keys()
    assert facts["KIND"] in ("fragile", "robust", "reversible", "control")
    assert facts["LEVEL"] in ("WEIGHTS", "FEATURES", "LABELS")
    assert type(facts["WRONG_KEYS"]) is int
    assert (facts["WRONG_KEYS"] > 0) == facts["KEYED"]


def test_no_name_is_of_both_kinds() -> None:
    assert not set(WATERMARKS) & set(CHECKS)


@pytest.mark.parametrize("name", NAMES)
def test_functions_fit_the_kind(name: str) -> None:
    module, facts = load(name), FACTS[name]
    kind = "watermarks" if name in WATERMARKS else "checks"
    make = module.embed if kind == "watermarks" else module.register
    assert list(inspect.signature(make).parameters) == [*GIVEN[kind], *facts["SETTINGS"]]
    rest = ("impostor", "measure", "calibrate")
    assert all(hasattr(module, function) == (facts["KIND"] != "control") for function in rest)
    assert hasattr(module, "restore") == (facts["KIND"] == "reversible")
    assert hasattr(module, "forge") == (facts["KIND"] == "robust" and kind == "watermarks")


@pytest.mark.parametrize("name", NAMES)
def test_embedding_leaves_its_argument_untouched_and_repeats(
    name: str, encoder: Encoder, embed: Embed, marks: Marks
) -> None:
    before = state_bytes(encoder)
    marked, secret = embed(name, encoder, **FEW[name]) if name in FEW else marks(name)
    again, same = embed(name, encoder, **FEW.get(name, {}))
    assert state_bytes(encoder) == before
    assert all(parameter.requires_grad and parameter.grad is None for parameter in encoder.parameters())
    assert (again is encoder) == (name in CHECKS)
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
    assert changed == (name in WATERMARKS and FACTS[name]["KIND"] != "control")
    assert not marked.training
    assert all(p.requires_grad and p.grad is None for p in marked.parameters())


@pytest.mark.parametrize("name", SCHEMES)
def test_intact_passes_and_others_do_not(
    name: str, encoder: Encoder, other_encoder: Encoder, marks: Marks, read: Read, tmp_path: Path
) -> None:
    scheme, (marked, secret) = load(name), marks(name)
    limit = threshold(name, marked, secret, encoder, other_encoder, read)
    write_encoder(tmp_path / "encoder.safetensors", marked)
    again = read_encoder(tmp_path / "encoder.safetensors")
    assert min(read(name, again, secret, batch).statistic for batch in (1, 3, 250)) >= limit
    assert read(name, other_encoder, secret).statistic < limit
    if name in WATERMARKS:
        assert read(name, encoder, secret).statistic < limit
    if FACTS[name]["KEYED"]:
        assert read(name, marked, scheme.impostor(secret, WRONG)).statistic < limit


@pytest.mark.parametrize("name", LEARNT)
def test_no_steps_embed_nothing(name: str, encoder: Encoder, other_encoder: Encoder, embed: Embed, read: Read) -> None:
    zero = {setting: 0 for setting in ("steps", "epochs") if setting in FACTS[name]["SETTINGS"]}
    untouched, secret = embed(name, encoder, **zero)
    assert state_bytes(untouched) == state_bytes(encoder)
    limit = threshold(name, untouched, secret, encoder, other_encoder, read)
    assert read(name, untouched, secret).statistic == read(name, encoder, secret).statistic < limit


@pytest.mark.parametrize("name", SCHEMES)
def test_readings_are_plain_numbers(name: str, marks: Marks, read: Read) -> None:
    reading = read(name, *marks(name))
    assert type(reading.statistic) is float
    assert reading.p_value is None or 0 <= reading.p_value <= 1
    assert reading.trials is None or 0 <= reading.statistic <= reading.trials
    assert all(type(value) is float for value in reading.details.values())


@pytest.mark.parametrize("name", SCHEMES)
def test_secret_survives_the_disk(name: str, marks: Marks, read: Read, tmp_path: Path) -> None:
    marked, secret = marks(name)
    write_tensors(tmp_path / "secret.safetensors", secret.tensors)
    write_json(tmp_path / "secret.json", secret.facts)
    tensors, _ = read_tensors(tmp_path / "secret.safetensors")
    again = Secret(tensors, read_json(tmp_path / "secret.json"))
    assert again.facts == secret.facts == json.loads(json.dumps(secret.facts))
    assert tensors.keys() == secret.tensors.keys()
    for key, tensor in secret.tensors.items():
        assert tensors[key].dtype == tensor.dtype
        assert torch.equal(tensors[key], tensor)
    assert read(name, marked, again) == read(name, marked, secret)


@pytest.mark.parametrize("name", FRAGILE)
def test_one_flipped_bit_is_noticed(
    name: str, encoder: Encoder, marks: Marks, other_encoder: Encoder, read: Read, head_of: Callable[[Encoder], Head]
) -> None:
    """Of the weights any bit; of features and labels the sign of the stem's largest weight."""
    marked, secret = marks(name)
    limit = threshold(name, marked, secret, encoder, other_encoder, read)
    bit = 0 if FACTS[name]["LEVEL"] == "WEIGHTS" else 31
    names = list(state(marked)) if FACTS[name]["LEVEL"] == "WEIGHTS" else ["backbone.conv1.weight"]
    for tensor in names:
        altered = copy.deepcopy(marked)
        values = altered.state_dict()[tensor]
        flat = values.reshape(-1).clone()
        place = int(flat.abs().argmax())
        flat[place] = flip(flat[place], bit)
        values.copy_(flat.view(values.shape))
        assert read(name, altered, secret, head=head_of(marked)).statistic < limit, tensor


def flip(value: Tensor, bit: int) -> Tensor:
    return (value.view(torch.int32) ^ (-(2**31) if bit == 31 else 1 << bit)).view(torch.float32)


def damage_values(value: float) -> Callable[[Encoder], None]:
    def run(encoder: Encoder) -> None:
        for parameter in encoder.parameters():
            parameter.detach().fill_(value)

    return run


def shrink_convolutions(encoder: Encoder) -> None:
    """What structured pruning leaves: every inner width halved. An encoder of its own otherwise, so that a null that
    few others calibrated may pass; that is no error."""
    smaller = draw_parameters(Encoder(Architecture("resnet18", 4, 16)), generator("test narrower"))
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
def test_measuring_never_raises(
    name: str, damage: str, encoder: Encoder, marks: Marks, other_encoder: Encoder, read: Read, images: Images
) -> None:
    marked, secret = marks(name)
    altered = copy.deepcopy(marked)
    DAMAGES[damage](altered)
    width = features(altered, images.train[:1]).shape[1]
    head = Head(torch.zeros(width), torch.ones(width), torch.ones(width, 3), torch.zeros(3))
    found = read(name, altered, secret, head=head).statistic
    assert type(found) is float
    if damage != "narrower" or name in FRAGILE or FACTS[name]["LEVEL"] == "WEIGHTS":
        assert not found >= threshold(name, marked, secret, encoder, other_encoder, read)


def appended(marked: Encoder, **fields: object) -> Encoder:
    """The marked encoder with what a server may add; a layer turns the features around, rounding is to 2 bits."""
    altered = Encoder(replace(marked.spec, **fields)).eval()  # type: ignore[arg-type]
    altered.load_state_dict(marked.state_dict(), strict=False)
    with torch.no_grad():
        for name, tensor in altered.state_dict().items():
            if name == "output.weight":
                tensor.copy_(torch.eye(len(tensor)).flip(0))
            elif name.endswith("input_range"):
                tensor.copy_(torch.tensor([-2.0, 2.0]))
    return altered


@pytest.mark.parametrize("fields", [{"output_layer": True}, {"activation_bits": 2}], ids=str)
@pytest.mark.parametrize("name", SCHEMES)
def test_what_a_server_adds_is_seen_for_what_it_is(
    name: str, fields: dict[str, object], marks: Marks, read: Read, head_of: Callable[[Encoder], Head]
) -> None:
    """Marks in weights read as before, since no weight has changed; whoever asks whether all is as it was, is told no."""
    marked, secret = marks(name)
    found = read(name, appended(marked, **fields), secret, head=head_of(marked)).statistic
    assert type(found) is float
    if FACTS[name]["LEVEL"] == "WEIGHTS" and FACTS[name]["KIND"] == "robust":
        assert found == read(name, marked, secret).statistic
    if name in FRAGILE:
        nothing = Nulls([], [], [read(name, marked, secret, head=head_of(marked)).statistic])
        assert found < load(name).calibrate(nothing, secret).value
