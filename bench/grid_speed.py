"""What 200 cells cost beyond their own computation: wall time times cores against the sum of what the journals count,
from the marked encoders of a built repository on. Takes minutes; run it on a quiet machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CELLS = 200
KEPT = ("raw", "encoders", "marked")


def main(cores: int) -> None:
    if not (ROOT / "data/report/receipt.json").is_file():
        sys.exit("grid_speed: nothing built here; run `make run` first")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        subprocess.run(("git", "clone", "--quiet", ROOT, copy), check=True)
        text = (ROOT / "params.yaml").read_text()
        marks = len(list((ROOT / "data/marked").glob("*/*/*/*/*")))
        rates = [round((i + 1) / 128, 6) for i in range(CELLS // 2 // marks + 1)]
        (copy / "params.yaml").write_text(re.sub(r"^rates: \[[^\]]*\]", f"rates: {[0, *rates]}", text, flags=re.M))
        for name in (*KEPT, *(f"journal/{name}" for name in KEPT)):
            shutil.copytree(ROOT / "data" / name, copy / "data" / name)
        shutil.copytree(ROOT / ".snakemake/metadata", copy / ".snakemake/metadata")
        environment = os.environ | {"PYTHONPATH": str(copy / "src")}
        started = time.perf_counter()
        # Timing keeps one core idle on purpose, and belongs to no cell.
        command = ("snakemake", "--cores", str(cores), "--omit-from", "latency")
        subprocess.run(
            command, cwd=copy, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        wall = time.perf_counter() - started
        entries = [json.loads(path.read_text()) for stage in ("pruned", "scores")
                   for path in (copy / "data/journal" / stage).rglob("*.json")]  # fmt: skip
    own = sum(entry["seconds"] for entry in entries)
    cells = sum("/pruned/" in entry["receipt"] for entry in entries)
    print(f"{cells} cells ({len(entries)} steps) on {cores} cores: {wall:.0f} s, {wall * cores:.0f} core-seconds")
    print(f"their own computation: {own:.0f} s, so {100 * (wall * cores / own - 1):.0f} % more")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
