"""The encoder as an object: an architecture with its input normalisation, its features, its weights, its digest."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.model.activations import round_inputs

GRID = 2.0**24
# Measured on CPUs: the activations of some 50 small images stay in the cache, those of hundreds do not.
BATCH = 50


@dataclass(frozen=True)
class Architecture:
    """All that is needed to rebuild an encoder without params.yaml; ``image_size`` in pixels.

    ``channels``: output and input channels of every convolution of an encoder that has lost some, by module name.
    ``output_layer``: true where a linear layer, from features to features and without bias, follows the backbone.
    ``activation_bits``: to how many bits the input of every layer is rounded (`prunemark.model.activations`).
    """

    architecture: str
    width: int
    image_size: int
    channels: dict[str, list[int]] | None = None
    output_layer: bool | None = None
    activation_bits: int | None = None

    @property
    def trained(self) -> Architecture:
        """What training made: with all channels, nothing after the backbone, nothing rounded."""
        return Architecture(self.architecture, self.width, self.image_size)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; what training did not make only where it is there."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Encoder(nn.Module):
    """Images in [0, 1], float (N, 3, H, W), to features, float (N, ``features``).

    ``mean`` and ``std`` (3,) are buffers, so that the input normalisation is saved, hashed and marked with the weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: Architecture) -> None:
        super().__init__()
        self.spec = spec
        # With fewer channels the full width is never held in memory: a small file may name a large one.
        with torch.device("meta") if spec.channels else contextlib.nullcontext():
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("std", torch.ones(3))
            self.backbone = registry.load("encoders", spec.architecture).backbone(spec.width, spec.image_size)
            self.features: int = self.backbone.features
            self.output = nn.Linear(self.features, self.features, bias=False) if spec.output_layer else None
        # Channels last is faster, but PyTorch 2.13 then corrupts the heap on a processor with AVX2 alone, in the weight
        # gradient of float32 strided 1x1 convolutions with 4 or 6 channels; with multiples of 8 it did not.
        self.layout = torch.contiguous_format if spec.width % 8 else torch.channels_last
        if spec.channels:
            resize(self, spec.channels)
            self.to_empty(device=torch.empty(0).device)
            for tensor in self.state_dict().values():
                tensor.zero_()
            self.std.fill_(1)
        if spec.activation_bits:
            round_inputs(self, spec.activation_bits)
        self.to(memory_format=self.layout)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        normalised = (images - self.mean[:, None, None]).div_(self.std[:, None, None])
        found: Tensor = self.backbone(normalised.contiguous(memory_format=self.layout))
        return found if self.output is None else self.output(found)


def resize(encoder: Encoder, channels: dict[str, list[int]]) -> None:
    """Give every convolution named its output and input channels, and the batch normalisation behind it as many.

    Raises:
        PrunemarkError: a module that is no convolution, numbers that are not from 1 to what it has, or channels that do
            not fit each other or the features.
    """
    norms = norms_behind(encoder)
    for name, found in channels.items():
        conv = dict(encoder.named_modules()).get(name)
        if not isinstance(conv, nn.Conv2d):
            raise PrunemarkError(f"channels: {name!r} is not allowed: no convolution of {encoder.spec.architecture}")
        full = [conv.out_channels, conv.in_channels]
        whole = len(found) == 2 and all(type(n) is int and 1 <= n <= most for n, most in zip(found, full, strict=True))
        if not whole:
            raise PrunemarkError(f"channels: {found} is not allowed for {name}: two numbers from 1 to {full}")
        conv.out_channels, conv.in_channels = found
        conv.weight = nn.Parameter(conv.weight.new_empty(*found, *conv.kernel_size))
        norm = norms.get(f"{name}.weight")
        if norm is not None:
            norm.num_features = found[0]
            norm.weight, norm.bias = (nn.Parameter(part.new_empty(found[0])) for part in (norm.weight, norm.bias))
            norm.running_mean, norm.running_var = (norm.weight.new_empty(found[0]) for _ in range(2))
    try:
        width = blank(encoder).shape[1]
    except RuntimeError as error:
        raise PrunemarkError(f"channels: they do not fit each other ({str(error).splitlines()[0]})") from None
    if width != encoder.features:
        raise PrunemarkError(f"channels: {width} features is not allowed: {encoder.features}")


def features(encoder: Encoder, images: Tensor, batch: int = BATCH) -> Tensor:
    """Features (N, d), float32 on the CPU, of uint8 images (N, H, W, 3), in evaluation mode.

    The batch size moves the last bits of the result; it is fixed wherever results are stored.
    """
    encoder.eval()
    device = encoder.mean.device
    with torch.no_grad():
        parts = [encoder(to_float(images[i : i + batch].to(device))).cpu() for i in range(0, len(images), batch)]
    return torch.cat(parts)


def to_float(images: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [0, 1]; the result is channels last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32) / 255


def to_bytes(images: Tensor) -> Tensor:
    """float (N, 3, H, W) to uint8 (N, H, W, 3): the nearest of the 256 levels from 0 to 1."""
    return (images.detach() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def weights(encoder: nn.Module) -> dict[str, Tensor]:
    """The prunable weights by parameter name: those of convolutions and linear layers, chosen by type."""
    return {
        f"{name}.weight": module.weight
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def norms_behind(encoder: Encoder) -> dict[str, nn.BatchNorm2d]:
    """The batch normalisation right behind a convolution, by the name of the convolution's weight."""
    made: dict[int, str] = {}
    kept: list[Tensor] = []  # an output that is freed may leave its identity to another
    found: dict[str, nn.BatchNorm2d] = {}

    def remember(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in made:
                found[made[id(inputs[0])]] = module
            elif isinstance(module, nn.Conv2d):
                made[id(output)] = f"{name}.weight"
                kept.append(output)

        return hook

    hooks = [module.register_forward_hook(remember(name)) for name, module in encoder.named_modules()]
    try:
        blank(encoder)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def blank(encoder: Encoder) -> Tensor:
    """The features (1, d) of a black image, wherever the encoder is, without a gradient or any trace in it."""
    size, training = encoder.spec.image_size, {module: module.training for module in encoder.modules()}
    with torch.no_grad():
        found: Tensor = encoder.eval()(torch.zeros(1, 3, size, size, device=encoder.mean.device))
    for module, flag in training.items():
        module.training = flag
    return found


def state(encoder: Encoder) -> dict[str, Tensor]:
    """The tensors that make the encoder what it is, sorted by name; BN buffers belong, their step counters do not."""
    tensors = encoder.state_dict()
    return {
        name: tensors[name].detach().cpu().contiguous()
        for name in sorted(tensors)
        if not name.endswith("num_batches_tracked")
    }


def state_bytes(encoder: Encoder) -> bytes:
    """The canonical bytes of an encoder: for every tensor its name, type, shape and little-endian content."""
    parts = []
    for name, tensor in state(encoder).items():
        head = f"{name} {tensor.dtype} {tuple(tensor.shape)}\n"
        parts += [head.encode(), tensor.numpy().tobytes()]
    return b"".join(parts)


def state_sha256(encoder: Encoder) -> str:
    """SHA-256 of `state_bytes`, as hexadecimal digits."""
    return hashlib.sha256(state_bytes(encoder)).hexdigest()


def snap(encoder: Encoder) -> Encoder:
    """Round every float of the encoder to a multiple of 2^-24, in place: then |w| < 1 is exactly an integer / 2^24."""
    with torch.no_grad():
        for tensor in encoder.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.round(tensor.double() * GRID) / GRID + 0.0)  # + 0 turns -0 into 0
    return encoder
