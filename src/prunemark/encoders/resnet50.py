"""ResNet-50 (He et al. 2016, table 1)."""

from prunemark.encoders._resnet import Bottleneck, ResNet


def backbone(width: int, image_size: int) -> ResNet:
    """A ResNet-50 whose first group has ``width`` channels (64 in the paper)."""
    return ResNet(Bottleneck, (3, 4, 6, 3), width, image_size)
