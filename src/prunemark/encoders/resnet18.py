"""ResNet-18 (He et al. 2016, table 1)."""

from prunemark.encoders._resnet import BasicBlock, ResNet


def backbone(width: int, image_size: int) -> ResNet:
    """A ResNet-18 whose first group has ``width`` channels (64 in the paper)."""
    return ResNet(BasicBlock, (2, 2, 2, 2), width, image_size)
