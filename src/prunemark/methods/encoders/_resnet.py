"""Residual networks (He et al. 2016, https://arxiv.org/abs/1512.03385), with a width and a stem for small images.

At width 64 and with the standard stem, parameter names, shapes and values of the forward pass equal torchvision's
``resnet18/34/50`` without their ``fc`` layer (tested); the stem for images up to 64 pixels is the one SimCLR uses on
CIFAR-10 (Chen et al. 2020, appendix B.9: 3x3 convolution of stride 1, no max-pooling).

Sums and ReLU overwrite the output of the batch normalisation before them, which no gradient needs: the values are the
same, and each saves a pass that allocates. So a hook on a batch normalisation must copy what it wants to keep.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALL_IMAGE = 64


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (N, C, H, W) -> (N, channels, H/stride, W/stride)."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(in_channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels, 3), nn.BatchNorm2d(channels)
        self.downsample = projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu_(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        out += shortcut.view_as(out)  # one channel must not pass for many
        return torch.relu_(out)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut, the stride on the 3x3 one (as torchvision does, "ResNet v1.5")."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1, self.bn1 = conv(in_channels, channels, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels, 3, stride), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = conv(channels, out_channels, 1), nn.BatchNorm2d(out_channels)
        self.downsample = projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu_(self.bn1(self.conv1(x)))
        out = torch.relu_(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        out += shortcut.view_as(out)  # one channel must not pass for many
        return torch.relu_(out)


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(conv(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


class ResNet(nn.Module):
    """Four groups of blocks of widths ``width * (1, 2, 4, 8)``: (N, 3, H, W) float -> (N, ``features``) float."""

    def __init__(
        self, block: type[BasicBlock] | type[Bottleneck], depths: tuple[int, ...], width: int, image_size: int
    ):
        super().__init__()
        small = image_size <= SMALL_IMAGE
        self.conv1 = conv(3, width, 3) if small else nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        self._channels = width
        for i, depth in enumerate(depths):
            setattr(self, f"layer{i + 1}", self._group(block, width * 2**i, depth, stride=1 if i == 0 else 2))
        self.features = self._channels

    def _group(
        self, block: type[BasicBlock] | type[Bottleneck], channels: int, depth: int, stride: int
    ) -> nn.Sequential:
        blocks = []
        for i in range(depth):
            blocks.append(block(self._channels, channels, stride if i == 0 else 1))
            self._channels = channels * block.expansion
        return nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(x))))
        for i in range(4):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return x.mean(dim=(2, 3))
