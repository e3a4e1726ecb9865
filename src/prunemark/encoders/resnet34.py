"""ResNet-34 (He et al. 2016, table 1)."""

from prunemark.encoders._resnet import BasicBlock, ResNet


def backbone(width: int, image_size: int) -> ResNet:
    """A ResNet-34 whose first group has ``width`` channels (64 in the paper)."""
    return ResNet(BasicBlock, (3, 4, 6, 3), width, image_size)
