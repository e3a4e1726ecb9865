"""What this processor computes in without emulation."""

from __future__ import annotations

from pathlib import Path

import torch

CPU_FACTS = Path("/proc/cpuinfo")
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # the last one is ARM's


def precision(device: str) -> torch.dtype:
    """What forward passes of training compute in: bfloat16 where ``device`` has arithmetic for it, else float32.

    A processor without it emulates bfloat16, at a tenth of the speed of float32. Where the processor cannot be asked
    (no /proc/cpuinfo), float32.
    """
    if torch.device(device).type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        facts = CPU_FACTS.read_text().split() if CPU_FACTS.is_file() else []
        native = not BF16_FLAGS.isdisjoint(facts)
    return torch.bfloat16 if native else torch.float32
