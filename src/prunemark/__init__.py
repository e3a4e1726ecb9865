"""prunemark: what pruning does to a contrastive image encoder's accuracy and to its watermarks, with proof."""

__version__ = "0.1.0"
