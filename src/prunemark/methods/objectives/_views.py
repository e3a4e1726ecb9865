"""Random views of a batch of images, a fresh draw for every image, all as tensor operations.

The family is SimCLR's for CIFAR-10 (Chen et al. 2020, https://arxiv.org/abs/2002.05709, appendix A and B.9): random
resized crop, horizontal flip, colour jitter of strength 0.5, random greyscale, no blur. Two deviations, both for
speed: jitter is applied in one fixed order (brightness, contrast, saturation, hue) as a single affine colour map per
image, clamped once at its end instead of after each part; and hue is rotated in YIQ space instead of HSV space.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

CROP_AREA = (0.2, 1.0)
CROP_LOG_RATIO = (math.log(3 / 4), math.log(4 / 3))
BRIGHTNESS = CONTRAST = SATURATION = 0.4
HUE = 0.1
JITTER_PROBABILITY = 0.8
GREY_PROBABILITY = 0.2
GREY = (0.299, 0.587, 0.114)
RGB_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def two_views(images: Tensor, generator: torch.Generator) -> Tensor:
    """Two independent views of each image.

    Args:
        images: uint8 (N, H, W, 3).
        generator: CPU generator; the only source of randomness.

    Returns:
        float32 (2N, 3, H, W) in [0, 1], channels last in memory; view 1 of all images, then view 2.
    """
    pixels = images.permute(0, 3, 1, 2).to(torch.float32).div_(255).repeat(2, 1, 1, 1)
    draws = torch.rand(len(pixels), 12, generator=generator).to(images.device)
    grid = F.affine_grid(crop_and_flip(draws[:, :5]), list(pixels.shape), align_corners=False)
    crops = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return recolour(crops, *colour_map(crops, draws[:, 5:])).contiguous(memory_format=torch.channels_last)


def crop_and_flip(draws: Tensor) -> Tensor:
    """Affine maps (N, 2, 3) from output to input coordinates in [-1, 1], from uniform draws (N, 5)."""
    area = CROP_AREA[0] + draws[:, 0] * (CROP_AREA[1] - CROP_AREA[0])
    ratio = torch.exp(CROP_LOG_RATIO[0] + draws[:, 1] * (CROP_LOG_RATIO[1] - CROP_LOG_RATIO[0]))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    sign = torch.where(draws[:, 4] < 0.5, -1.0, 1.0)
    theta = torch.zeros(len(draws), 2, 3, device=draws.device)
    theta[:, 0, 0], theta[:, 1, 1] = width * sign, height
    theta[:, 0, 2] = (2 * draws[:, 2] - 1) * (1 - width)
    theta[:, 1, 2] = (2 * draws[:, 3] - 1) * (1 - height)
    return theta


def colour_map(images: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """One affine colour map per image, (N, 3, 3) and (N, 3), from images (N, 3, H, W) and uniform draws (N, 7)."""
    grey = torch.tensor(GREY, device=images.device)
    to_grey = grey.expand(3, 3)
    eye = torch.eye(3, device=images.device)
    factor = 1 + (2 * draws[:, :3] - 1) * torch.tensor((BRIGHTNESS, CONTRAST, SATURATION), device=images.device)
    brightness, contrast, saturation = factor[:, 0, None, None], factor[:, 1, None], factor[:, 2, None, None]
    mean_grey = brightness[:, 0] * (images.mean(dim=(2, 3)) @ grey)[:, None]
    recolour_ = hue_rotation((2 * draws[:, 3] - 1) * HUE) @ (saturation * eye + (1 - saturation) * to_grey)
    matrix = recolour_ * (contrast[:, :, None] * brightness)
    offset = (1 - contrast) * mean_grey * recolour_.sum(dim=2)

    jitter = (draws[:, 4] < JITTER_PROBABILITY)[:, None]
    matrix = torch.where(jitter[:, :, None], matrix, eye)
    offset = torch.where(jitter, offset, torch.zeros_like(offset))
    monochrome = (draws[:, 5] < GREY_PROBABILITY)[:, None]
    matrix = torch.where(monochrome[:, :, None], to_grey @ matrix, matrix)
    return matrix, torch.where(monochrome, offset @ to_grey.T, offset)


def hue_rotation(turns: Tensor) -> Tensor:
    """RGB matrices (N, 3, 3) that rotate the chroma plane of YIQ by ``turns`` (N,) full turns."""
    to_yiq = torch.tensor(RGB_TO_YIQ, device=turns.device)
    cos, sin = torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)
    rotation = torch.zeros(len(turns), 3, 3, device=turns.device)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1] = rotation[:, 2, 2] = cos
    rotation[:, 1, 2], rotation[:, 2, 1] = -sin, sin
    return torch.linalg.inv(to_yiq) @ rotation @ to_yiq


def recolour(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """``matrix @ colour + offset`` at every pixel of (N, 3, H, W), clamped to [0, 1]."""
    n, c, h, w = images.shape
    return torch.baddbmm(offset[:, :, None], matrix, images.reshape(n, c, h * w)).clamp_(0, 1).view(n, c, h, w)
