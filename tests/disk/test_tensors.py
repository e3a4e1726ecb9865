"""Files are there whole or not at all, equal content gives equal bytes, and damage is one line."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prunemark.disk.files import canonical_json, read_json, write_bytes, write_json
from prunemark.disk.tensors import read_arrays, read_encoder, read_tensors, write_arrays, write_encoder, write_tensors
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Architecture, Encoder, state

READERS = {
    read_json: "not JSON (",
    read_tensors: "not a safetensors file of ",
    read_arrays: "not an .npz file of arrays",
}
ARRAYS = {
    "predicted": np.arange(300, dtype=np.int16),
    "statistic": np.array([0.1, float("nan"), float("inf")]),
    "empty": np.zeros((0, 3)),
    "strided": np.arange(12).reshape(3, 4)[:, ::2],
}


def failure(read: Any, path: Path) -> str:
    with pytest.raises(PrunemarkError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_writing_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    for content in (b"first", b"second, longer", b""):
        write_bytes(path, content)
        assert path.read_bytes() == content
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "file.partial"]
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_canonical_json_gives_the_value_again(value: Any) -> None:
    try:
        text = canonical_json(value)
        text.encode()
    except UnicodeEncodeError:
        return
    assert json.loads(text) == value
    assert text.endswith("\n")
    assert canonical_json(json.loads(text)) == text


def test_the_order_of_keys_does_not_matter() -> None:
    assert canonical_json({"b": 1, "a": {"d": 2, "c": "é"}}) == canonical_json({"a": {"c": "é", "d": 2}, "b": 1})
    assert canonical_json({"b": 1, "a": []}) == '{\n "a": [],\n "b": 1\n}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_holds_numbers_only(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_tensors_round_trip_whatever_their_order_and_layout(tmp_path: Path) -> None:
    tensors = {
        "float": torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)),
        "bytes": torch.arange(7, dtype=torch.uint8),
        "integers": torch.tensor([-1, 2**40]),
        "flags": torch.tensor([True, False]),
        "scalar": torch.tensor(-0.0),
    }
    header = {"b": [1, 2], "a": "é"}
    write_tensors(tmp_path / "a", tensors, header)
    shuffled = dict(reversed(tensors.items()))
    shuffled["float"] = tensors["float"].to(memory_format=torch.channels_last).requires_grad_()
    write_tensors(tmp_path / "b", shuffled, {"a": "é", "b": [1, 2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found, read_header = read_tensors(tmp_path / "a")
    assert read_header == header
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert torch.signbit(found["scalar"])


def test_arrays_round_trip_and_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a", ARRAYS)
    os.utime(tmp_path / "a", (0, 0))
    write_arrays(tmp_path / "b", dict(reversed(ARRAYS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    found = read_arrays(tmp_path / "a")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with zipfile.ZipFile(tmp_path / "a") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_objects_are_neither_pickled_nor_unpickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "a", {"x": np.array([{}], dtype=object)})
    np.savez(tmp_path / "b.npz", x=np.array([{}], dtype=object))
    assert failure(read_arrays, tmp_path / "b.npz").startswith("not an .npz file of arrays (Object arrays cannot be")
    (tmp_path / "c").write_bytes(pickle.dumps([1]))
    for read, message in READERS.items():
        assert failure(read, tmp_path / "c").startswith(message)


@pytest.mark.parametrize("read", READERS)
def test_no_such_file(read: Any, tmp_path: Path) -> None:
    assert failure(read, tmp_path / "absent") == "no such file"


@pytest.mark.parametrize("read", READERS)
def test_damaged_files(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if read is read_json:
        write_json(path, {"a": ["é", 1.5]})
    elif read is read_tensors:
        write_tensors(path, {"a": torch.arange(20)})
    else:
        write_arrays(path, ARRAYS)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, max(1, len(content) // 60)):
        path.write_bytes(content[:length])
        assert failure(read, path).startswith(READERS[read])
    for junk in (b"\xff\xfe", bytes(200), b"PK\x03\x04", b"<html>", b"[" * 200_000, b"1" * 5000):
        path.write_bytes(junk)
        assert failure(read, path).startswith(READERS[read])


@given(st.binary(max_size=60), st.data())
def test_a_flipped_bit_in_arrays_is_noticed(noise: bytes, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        arrays = {"x": np.frombuffer(noise + b"12345678", np.uint8)}
        write_arrays(path, arrays)
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) * 8 - 1))
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            found = read_arrays(path)
        except PrunemarkError as error:
            assert "\n" not in str(error)
        else:
            assert all(np.array_equal(array, arrays["x"]) for array in found.values())


def inside(outputs: object, inputs: object) -> dict[str, list[object]]:
    """A ResNet-18 of width 4 that has lost channels inside its first block."""
    return {"backbone.layer1.0.conv1": [outputs, 4], "backbone.layer1.0.conv2": [4, inputs]}


def small() -> Encoder:
    """What is built with fewer channels holds whatever was in memory, so every tensor is given values of its own."""
    encoder = Encoder(Architecture("resnet18", 4, 16, inside(2, 2))).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for place, part in enumerate(encoder.state_dict().values()):
            part.copy_(torch.arange(part.numel()).view(part.shape) + place)
    return encoder


def write_small(path: Path, channels: Any) -> None:
    """The tensors of an encoder that has lost two channels, under a header that says something else."""
    facts = {"architecture": "resnet18", "width": 4, "image_size": 16, "channels": channels}
    write_tensors(path, state(small()), {"format": "encoder/1", **facts})


def test_an_encoder_that_has_lost_channels_is_read_back(tmp_path: Path) -> None:
    encoder = small()
    write_encoder(tmp_path / "a", encoder)
    read = read_encoder(tmp_path / "a")
    assert read.spec == encoder.spec
    assert read.spec.to_dict()["channels"] == inside(2, 2)
    assert all(torch.equal(part, state(encoder)[name]) for name, part in state(read).items())
    assert read.backbone.layer1[0].bn1.num_features == len(read.backbone.layer1[0].bn1.running_var) == 2
    write_encoder(tmp_path / "b", read)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


FIT = "channels: they do not fit each other ("
NUMBERS = " is not allowed for backbone.layer1.0.conv1: two numbers from 1 to [4, 4]"


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"backbone.bn1": [4, 4]}, "channels: 'backbone.bn1' is not allowed: no convolution of resnet18"),
        ({"backbone": [4, 4]}, "channels: 'backbone' is not allowed: no convolution of resnet18"),
        ({"": [4, 4]}, "channels: '' is not allowed: no convolution of resnet18"),
        ({"no\nname": [4, 4]}, "channels: 'no\\nname' is not allowed: no convolution of resnet18"),
        *((inside(n, 2), f"channels: [{n!r}, 4]{NUMBERS}") for n in (0, -1, 5, 2**63, True, "2", 2.0, None, [2])),
        ({"backbone.layer1.0.conv1": []}, f"channels: []{NUMBERS}"),
        ({"backbone.layer1.0.conv1": [2, 4, 1]}, f"channels: [2, 4, 1]{NUMBERS}"),
        (inside(2, 3), FIT),
        (inside(1, 4), FIT),
        ({"backbone.conv1": [4, 1]}, FIT),
        ({"backbone.layer1.0.conv2": [1, 4]}, FIT),
        (
            {f"backbone.layer4.{n}": [9, 32] for n in ("0.conv2", "1.conv2")}
            | {"backbone.layer4.0.downsample.0": [9, 16], "backbone.layer4.1.conv1": [32, 9]},
            "channels: 9 features is not allowed: 32",
        ),
        (inside(3, 3), "tensor backbone.layer1.0.conv1.weight does not fit {'architecture': 'resnet18', "),
        (None, "tensor backbone.layer1.0.conv1.weight does not fit {'architecture': 'resnet18', "),
        ({}, "channels {} is not allowed: two numbers by convolution"),
        *((wrong, f"channels {wrong!s} is not allowed: two numbers by convolution") for wrong in (7, True, [[2, 4]])),
        ({"backbone.conv1": 4}, "channels {'backbone.conv1': 4} is not allowed: two numbers by convolution"),
        ({"backbone.conv1": {"4": 3}}, "channels {'backbone.conv1': {'4': 3}} is not allowed: two numbers by "),
    ],
)
def test_a_header_of_channels_that_does_not_fit(channels: Any, message: str, tmp_path: Path) -> None:
    write_small(tmp_path / "a", channels)
    assert failure(read_encoder, tmp_path / "a").startswith(message)


def added(**fields: Any) -> Encoder:
    """A ResNet-18 of width 4 with what may be added to one that was trained."""
    encoder = Encoder(Architecture("resnet18", 4, 16, **fields)).eval()
    with torch.no_grad():
        for place, part in enumerate(encoder.state_dict().values()):
            part.copy_(torch.arange(part.numel()).view(part.shape) + place)
    return encoder


@pytest.mark.parametrize(
    "fields", [{"output_layer": True}, {"activation_bits": 3}, {"channels": inside(2, 2)}], ids=str
)
def test_what_was_added_is_read_back(fields: dict[str, Any], tmp_path: Path) -> None:
    whole = {"output_layer": True, "activation_bits": 8} | fields
    for present in (fields, whole):
        encoder = added(**present)
        write_encoder(tmp_path / "a", encoder)
        read = read_encoder(tmp_path / "a")
        assert read.spec == encoder.spec
        assert read.spec.trained == Architecture("resnet18", 4, 16)
        assert read.spec.to_dict().keys() == {"architecture", "width", "image_size", *present}
        assert all(torch.equal(part, state(encoder)[name]) for name, part in state(read).items())
        assert ("output.weight" in state(read)) == ("output_layer" in present)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *(({"output_layer": wrong}, f"output_layer {wrong} is not allowed: true, ") for wrong in (False, 1, "yes")),
        *(({"activation_bits": wrong}, f"activation_bits {wrong} is not ") for wrong in (0, -1, 17, True, 2.0, "2")),
        ({"output_layer": True}, "tensor output.weight does not fit {'architecture': 'resnet18', "),
        ({"activation_bits": 8}, "tensor backbone.conv1.input_range does not fit {'architecture': 'resnet18', "),
    ],
)
def test_a_header_of_what_was_not_added(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    facts = {"architecture": "resnet18", "width": 4, "image_size": 16}
    write_tensors(tmp_path / "a", state(added()), {"format": "encoder/1", **facts, **fields})
    assert failure(read_encoder, tmp_path / "a").startswith(message)


def test_tensors_that_no_header_names_are_refused(tmp_path: Path) -> None:
    for fields, name in (
        ({"output_layer": True}, "output.weight"),
        ({"activation_bits": 8}, "backbone.conv1.input_range"),
    ):
        facts = {"architecture": "resnet18", "width": 4, "image_size": 16}
        write_tensors(tmp_path / "a", state(added(**fields)), {"format": "encoder/1", **facts})
        assert failure(read_encoder, tmp_path / "a").startswith(f"tensor {name} does not fit")
