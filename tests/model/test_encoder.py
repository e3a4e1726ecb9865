"""The encoder's bytes: what moves its digest, the weight grid, and a file that gives the same encoder again."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from prunemark import registry
from prunemark.disk.tensors import read_encoder, write_encoder
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import (
    GRID,
    Architecture,
    Encoder,
    features,
    snap,
    state,
    state_bytes,
    state_sha256,
    to_float,
    weights,
)
from prunemark.model.randomness import draw_parameters, generator

SPEC = Architecture("resnet18", 4, 16)


def draw_encoder(spec: Architecture = SPEC, name: str = "one") -> Encoder:
    source = generator("test encoder", name)
    encoder = draw_parameters(Encoder(spec), source)
    encoder.mean.copy_(torch.tensor([0.4, 0.5, 0.6]))
    encoder.std.copy_(torch.tensor([0.2, 0.25, 0.3]))
    with torch.no_grad():
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None
                assert part.running_var is not None
                part.running_mean.normal_(0, 0.1, generator=source)
                part.running_var.uniform_(0.5, 1.5, generator=source)
                part.bias.normal_(0, 0.1, generator=source)
    return encoder.eval()


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return draw_encoder()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (7, 16, 16, 3), dtype=torch.uint8, generator=generator("test images"))


def test_features_are_those_of_normalised_pixels(encoder: Encoder, images: Tensor) -> None:
    found = features(encoder, images)
    assert found.shape == (7, encoder.features)
    assert found.dtype == torch.float32
    assert not found.requires_grad
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])
    by_hand = ((images.double() / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        torch.testing.assert_close(found, encoder.backbone(by_hand), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(features(encoder, images, batch=2), found, atol=1e-5, rtol=1e-5)


def test_features_are_taken_in_evaluation_mode_and_change_nothing(encoder: Encoder, images: Tensor) -> None:
    trained = copy.deepcopy(encoder).train()
    before = state_bytes(trained)
    assert torch.equal(features(trained, images), features(encoder, images))
    assert state_bytes(trained) == before


def test_pixels_become_floats_from_0_to_1() -> None:
    images = (
        torch.arange(256, dtype=torch.uint8)
        .repeat(3)
        .reshape(1, 3, 256)
        .permute(0, 2, 1)
        .contiguous()
        .view(1, 16, 16, 3)
    )
    found = to_float(images)
    assert found.shape == (1, 3, 16, 16)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found[0, 1].flatten(), torch.arange(256) / 255)


@pytest.mark.parametrize("architecture", registry.names("encoders"))
def test_prunable_weights_are_the_convolutions_and_linear_layers(architecture: str) -> None:
    module = nn.Sequential(Encoder(Architecture(architecture, 4, 16)), nn.Linear(2, 3))
    found = weights(module)
    kinds = dict(module.named_modules())
    for name, parameter in module.named_parameters():
        owner, _, what = name.rpartition(".")
        assert (name in found) == (what == "weight" and not isinstance(kinds[owner], nn.BatchNorm2d))
        if name in found:
            assert found[name] is parameter


def test_the_digest_sees_every_bit_of_every_tensor(encoder: Encoder) -> None:
    digest = state_sha256(encoder)
    names = [name for name in encoder.state_dict() if not name.endswith("num_batches_tracked")]
    assert any(name.endswith("running_var") for name in names)
    assert {"mean", "std"} <= set(names)
    for i, name in enumerate(names):
        altered = copy.deepcopy(encoder)
        tensor = altered.state_dict()[name]
        flat = tensor.reshape(-1).clone()
        flat.view(torch.int32)[i * 7919 % len(flat)] ^= 1
        tensor.copy_(flat.view(tensor.shape))
        assert state_sha256(altered) != digest, name


def test_the_digest_sees_no_step_counter_and_no_memory_layout(encoder: Encoder) -> None:
    same = copy.deepcopy(encoder).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    same.backbone.bn1.num_batches_tracked += 3
    assert state_bytes(same) == state_bytes(encoder)
    assert not any("num_batches_tracked" in name for name in state(encoder))


def test_the_bytes_are_names_types_shapes_and_content(encoder: Encoder) -> None:
    content = state_bytes(encoder)
    place = 0
    for name in sorted(name for name in encoder.state_dict() if not name.endswith("num_batches_tracked")):
        tensor = encoder.state_dict()[name]
        head = f"{name} torch.float32 {tuple(tensor.shape)}\n".encode()
        assert content[place : place + len(head)] == head
        place += len(head)
        values = torch.frombuffer(bytearray(content[place : place + 4 * tensor.numel()]), dtype=torch.float32)
        assert torch.equal(values.view(tensor.shape), tensor)
        place += 4 * tensor.numel()
    assert place == len(content)


def test_equal_seeds_give_equal_bytes() -> None:
    assert state_bytes(draw_encoder()) == state_bytes(draw_encoder())
    assert state_bytes(draw_encoder()) != state_bytes(draw_encoder(name="two"))


def test_snapping_rounds_to_the_grid(encoder: Encoder) -> None:
    snapped = copy.deepcopy(encoder)
    with torch.no_grad():
        first = snapped.backbone.conv1.weight[0].reshape(-1)
        values = [-1e-9, 1e-9, -0.0, 2.0**-24, 1.5 * 2.0**-24, -2.5 * 2.0**-24, 123456.789, -0.3, 1.0]
        snapped.backbone.conv1.weight[0] = torch.tensor(values).repeat(3).view(3, 3, 3)
        assert len(first) == 27
    before = {name: tensor.double() for name, tensor in state(snapped).items()}
    assert snap(snapped) is snapped
    for name, tensor in state(snapped).items():
        scaled = tensor.double() * 2**24
        assert torch.equal(scaled, scaled.round()), name
        assert (tensor.double() - before[name]).abs().max() <= 2.0**-25, name
        assert not (torch.signbit(tensor) & (tensor == 0)).any(), name
        small = scaled[tensor.abs() < 1]
        assert torch.equal(small.long().double() / GRID, tensor[tensor.abs() < 1].double())
    assert snapped.backbone.conv1.weight[0].reshape(-1)[:6].tolist() == [0, 0, 0, 2.0**-24, 2.0**-23, -(2.0**-23)]
    again = copy.deepcopy(snapped)
    assert state_bytes(snap(again)) == state_bytes(snapped)


@pytest.mark.parametrize("architecture", registry.names("encoders"))
def test_a_file_gives_the_encoder_again(architecture: str, images: Tensor, tmp_path: Path) -> None:
    encoder = draw_encoder(Architecture(architecture, 4, 16))
    for name in ("a", "b"):
        write_encoder(tmp_path / name, encoder)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    read = read_encoder(tmp_path / "a")
    assert read.spec == encoder.spec
    assert not read.training
    assert state_bytes(read) == state_bytes(encoder)
    assert torch.equal(features(read, images), features(encoder, images))
    write_encoder(tmp_path / "c", read)
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a").read_bytes()


def test_safetensors_reads_the_file_without_this_package(encoder: Encoder, tmp_path: Path) -> None:
    write_encoder(tmp_path / "a", encoder)
    tensors = load_file(tmp_path / "a")
    assert tensors.keys() == state(encoder).keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state(encoder).items())
    with safe_open(tmp_path / "a", framework="pt") as file:
        header = json.loads(file.metadata()["prunemark"])
    assert header == {"format": "encoder/1", "architecture": "resnet18", "width": 4, "image_size": 16}


def rewritten(encoder: Encoder, path: Path, **header: object) -> None:
    facts = {"format": "encoder/1", "architecture": "resnet18", "width": 4, "image_size": 16, **header}
    save_file(state(encoder), path, {"prunemark": json.dumps({k: v for k, v in facts.items() if v is not None})})


def failure(path: Path) -> str:
    with pytest.raises(PrunemarkError) as caught:
        read_encoder(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": "encoder/2"}, "format 'encoder/2'; allowed: 'encoder/1'"),
        ({"format": None}, "format None; allowed: 'encoder/1'"),
        (
            {"width": 8},
            "tensor backbone.conv1.weight does not fit {'architecture': 'resnet18', 'width': 8, 'image_size': 16}",
        ),
        ({"image_size": 65}, "tensor backbone.conv1.weight does not fit {'architecture': 'resnet18', 'width': 4, "),
        ({"architecture": "resnet50"}, "tensor backbone.layer1.0.conv1.weight does not fit "),
        ({"architecture": "resnet19"}, "encoders: 'resnet19' is not one of "),
        (
            {"width": None},
            "{'architecture': 'resnet18', 'width': None, 'image_size': 16} is not allowed: a name and two",
        ),
        (
            {"width": "4"},
            "{'architecture': 'resnet18', 'width': '4', 'image_size': 16} is not allowed: a name and two ",
        ),
    ],
)
def test_a_header_that_does_not_fit(header: dict[str, object], message: str, encoder: Encoder, tmp_path: Path) -> None:
    rewritten(encoder, tmp_path / "a", **header)
    assert failure(tmp_path / "a").startswith(message)


def test_tensors_that_do_not_fit(encoder: Encoder, tmp_path: Path) -> None:
    metadata = {"prunemark": json.dumps({"format": "encoder/1", **SPEC.to_dict()})}
    tensors = state(encoder)
    damaged = {
        "std": {name: tensor for name, tensor in tensors.items() if name != "std"},
        "more": {**tensors, "more": torch.zeros(1)},
        "mean": {**tensors, "mean": torch.zeros(3, dtype=torch.float64)},
        "backbone.bn1.bias": {**tensors, "backbone.bn1.bias": torch.zeros(1)},
    }
    for name, content in damaged.items():
        save_file(content, tmp_path / "a", metadata)
        assert failure(tmp_path / "a").startswith(f"tensor {name} does not fit ")


def test_files_that_are_not_encoders(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert failure(path) == "no such file"
    write_encoder(path, encoder)
    content = path.read_bytes()
    for damaged in (b"", b"\x80\x04K\x01.", content[:7], content[:100], content[:-1], content + b"\0", bytes(100)):
        path.write_bytes(damaged)
        assert failure(path).startswith("not a safetensors file of prunemark (")
    save_file({"w": torch.zeros(1)}, path)
    assert failure(path) == "not a safetensors file of prunemark ('prunemark')"
