"""ResNet-50 (He et al. 2016, table 1)."""

from prunemark.methods.encoders._resnet import Bottleneck, ResNet

# Sizes of the groups of channels that go together, in widths, by their structure; what the features are made of is in
# none. Stated here so that params.yaml can be held against them without building an encoder.
CHANNEL_GROUPS = [
    [1],
    [4],
    [8],
    [16],
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8],
]


def backbone(width: int, image_size: int) -> ResNet:
    """A ResNet-50 whose first group has ``width`` channels (64 in the paper)."""
    return ResNet(Bottleneck, (3, 4, 6, 3), width, image_size)
