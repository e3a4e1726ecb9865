"""Tensors, encoders and arrays on disk: written atomically, read strictly, never unpickled."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from prunemark.disk.files import write_bytes
from prunemark.errors import PrunemarkError
from prunemark.model.encoder import Architecture, Encoder, state, weights

HEADER = "prunemark"
ENCODER_FORMAT = "encoder/1"
MOST_BITS = 16


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any] | None = None) -> None:
    """Write a safetensors file; the header goes in as one metadata entry, since the order of several is not fixed."""
    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    write_bytes(path, save(ordered, {HEADER: json.dumps(header or {}, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file that `write_tensors` wrote.

    Raises:
        PrunemarkError: no such file, or not such a file.
    """
    # Not Path.is_file, which raises for some names that cannot be.
    if not os.path.isfile(path):
        raise PrunemarkError(f"{path}: {'not a regular file' if os.path.exists(path) else 'no such file'}")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            if type(header) is not dict:
                raise KeyError(HEADER)
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, RecursionError, OSError) as error:
        raise PrunemarkError(f"{path}: not a safetensors file of prunemark ({error})") from None


def write_encoder(path: Path, encoder: Encoder) -> None:
    """Write ``encoder.safetensors``: its state and, in the header, its architecture. Equal encoders, equal bytes."""
    write_tensors(path, state(encoder), {"format": ENCODER_FORMAT, **encoder.spec.to_dict()})


def read_encoder(path: Path, device: str = "cpu") -> Encoder:
    """Rebuild the encoder of a file by `write_encoder`, in evaluation mode.

    Raises:
        PrunemarkError: another format, or tensors that do not fit the architecture named in the header.
    """
    found, header = read_tensors(path)
    if header.get("format") != ENCODER_FORMAT:
        raise PrunemarkError(f"{path}: format {header.get('format')!r}; allowed: {ENCODER_FORMAT!r}")
    fields: dict[str, Any] = {name: header.get(name) for name in ("architecture", "width", "image_size")}
    sized = [type(value) for value in fields.values()] == [str, int, int]
    if not sized or not 0 < fields["width"] < 2**16 or not 0 < fields["image_size"] < 2**16:
        raise PrunemarkError(f"{path}: {fields} is not allowed: a name and two integers from 1 to 65535")
    spec = Architecture(**fields, **changes(path, header))
    refuse_other_shapes(path, spec, found)
    encoder = Encoder(spec)
    expected = state(encoder)
    wrong = sorted(set(expected) ^ set(found)) or [
        n for n in expected if (expected[n].shape, expected[n].dtype) != (found[n].shape, found[n].dtype)
    ]
    if wrong:
        raise PrunemarkError(f"{path}: tensor {wrong[0]} does not fit {fields}")
    with torch.no_grad():
        target = encoder.state_dict()
        for name, tensor in found.items():
            target[name].copy_(tensor)
    return encoder.eval().to(device)


def changes(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    """What a header says of an encoder that training did not make so, by the fields of `Architecture`."""
    channels, output, bits = (header.get(name) for name in ("channels", "output_layer", "activation_bits"))
    if channels is not None and not (
        isinstance(channels, dict) and channels and all(isinstance(n, list) for n in channels.values())
    ):
        raise PrunemarkError(f"{path}: channels {str(channels)[:60]} is not allowed: two numbers by convolution")
    if output is not None and output is not True:
        raise PrunemarkError(f"{path}: output_layer {str(output)[:60]} is not allowed: true, or left out")
    if bits is not None and not (type(bits) is int and 1 <= bits <= MOST_BITS):
        raise PrunemarkError(f"{path}: activation_bits {str(bits)[:60]} is not allowed: 1 to {MOST_BITS}, or left out")
    return {"channels": channels, "output_layer": output, "activation_bits": bits}


def refuse_other_shapes(path: Path, spec: Architecture, found: dict[str, Tensor]) -> None:
    """Hold the weights against the architecture before that is built: it may ask for more memory than there is."""
    try:
        with torch.device("meta"):
            shapes = {name: weight.shape for name, weight in weights(Encoder(spec)).items()}
    except PrunemarkError as error:
        raise PrunemarkError(f"{path}: {error}") from None
    for name, shape in shapes.items():
        if name not in found or found[name].shape != shape:
            raise PrunemarkError(f"{path}: tensor {name} does not fit {spec.to_dict()}")


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write numeric arrays as a compressed ``.npz`` whose bytes depend on nothing but the arrays."""

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue(), zipfile.ZIP_DEFLATED)
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file; nothing is unpickled."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise PrunemarkError(f"{path}: no such file") from None
    except Exception as error:  # zipfile, zlib and numpy raise a dozen types for a damaged file
        raise PrunemarkError(f"{path}: not an .npz file of arrays ({error})") from None
