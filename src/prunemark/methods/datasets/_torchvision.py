"""torchvision, also beside a torch of another build, where its compiled operators do not load.

torchvision 0.28 registers Python parts of its operators ``nms`` and ``qnms`` when it is imported; without its compiled
extension (the CUDA wheel beside a CPU torch) these operators are unknown and the import fails. Their schemas, which are
all the import needs, are then registered here; the operators themselves stay unavailable, and nothing here calls them.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
# A library's schemas vanish with the object.
registered: list[torch.library.Library] = []


def torchvision() -> ModuleType:
    """The package torchvision with its ``datasets``; importing it takes about a second, so only who needs it asks."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or registered:
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    registered.append(library)
    return importlib.import_module("torchvision")
