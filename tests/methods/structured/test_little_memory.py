"""A file of an encoder takes memory as its tensors do, whatever its header says."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from prunemark.disk.tensors import read_encoder, write_tensors
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Architecture, Encoder, state


@contextmanager
def little_memory() -> Iterator[None]:
    """One GiB more than there is already: what asks for more fails at once."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**30, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("shrunk", [True, False])
@pytest.mark.parametrize(("width", "image_size"), [(2000, 16), (65535, 65535)])
def test_sizes_that_the_tensors_do_not_have_take_no_memory(
    shrunk: bool, width: int, image_size: int, tmp_path: Path
) -> None:
    facts: dict[str, Any] = {"architecture": "resnet18", "width": width, "image_size": image_size}
    if shrunk:
        facts["channels"] = {"backbone.layer1.0.conv1": [65, width], "backbone.layer1.0.conv2": [width, 65]}
    write_tensors(tmp_path / "a", state(Encoder(Architecture("resnet18", 4, 16))), {"format": "encoder/1", **facts})
    with little_memory(), pytest.raises(PrunemarkError) as caught:
        read_encoder(tmp_path / "a")
    assert str(caught.value).startswith(f"{tmp_path}/a: tensor backbone.conv1.weight does not fit {{")
    assert "\n" not in str(caught.value)


def narrow(width: int, image_size: int) -> dict[str, Any]:
    """The header of an encoder of which one channel is left everywhere but in its features."""
    with torch.device("meta"):
        wide = Encoder(Architecture("resnet18", width, image_size))
    convs = {name: module for name, module in wide.named_modules() if isinstance(module, torch.nn.Conv2d)}
    ends = ("layer4.0.conv2", "layer4.1.conv2", "layer4.0.downsample.0")
    channels = {name: [8 * width if name.endswith(ends) else 1, 1] for name in convs}
    channels["backbone.conv1"], channels["backbone.layer4.1.conv1"] = [1, 3], [1, 8 * width]
    return {"architecture": "resnet18", "width": width, "image_size": image_size, "channels": channels}


@pytest.mark.parametrize(("width", "image_size"), [(2000, 16), (4, 65535)])
def test_a_small_file_takes_little_memory(width: int, image_size: int, tmp_path: Path) -> None:
    """Tensors of a few megabytes that fit the header: whether that is read or refused, it needs no more than they do."""
    facts = narrow(width, image_size)
    with torch.device("meta"):
        shapes = {name: part.shape for name, part in Encoder(Architecture(**facts)).state_dict().items()}
    tensors = {name: torch.zeros(shape) for name, shape in shapes.items() if "num_batches_tracked" not in name}
    write_tensors(tmp_path / "a", tensors, {"format": "encoder/1", **facts})
    assert (tmp_path / "a").stat().st_size < 2**22
    with little_memory():
        try:
            read_encoder(tmp_path / "a")
        except PrunemarkError as error:
            assert "\n" not in str(error)
