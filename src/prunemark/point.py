"""A point of the grid: the one type for where a thing lies, under data/, in the results table and on the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from prunemark.errors import PrunemarkError

# The columns of results.csv that name a point, in its order.
CELL = ("dataset", "encoder", "seed", "watermark", "key", "pruner", "rate", "probe_dataset")
# Folders under data/ by how many names lead to what is in them.
ROOMS = {1: "raw", 3: "encoders", 5: "marked", 7: "pruned", 8: "scores"}
DEPTHS = {room: depth for depth, room in ROOMS.items()}
ORIGINAL = ("original", "0")
LATENCY = "latency"


class Point(NamedTuple):
    """Names in the order of the paths; those that do not apply are empty. An alteration and its strength may stand in
    the place of pruner and rate, the encoder before either is at `ORIGINAL`; a control stands in that of watermark.

    Without seed and key it is a point of the page, over all of them; with dataset, encoder and pruner alone, where the
    times of that pruner's encoders lie.
    """

    dataset: str = ""
    encoder: str = ""
    seed: str = ""
    watermark: str = ""
    key: str = ""
    pruner: str = ""
    rate: str = ""
    probe: str = ""

    @classmethod
    def from_path(cls, path: Path) -> Point:
        """The point that a folder under data/ belongs to, or what lies within it.

        Raises:
            PrunemarkError: a path outside of the folders of points.
        """
        room, *names = f"/{path.as_posix()}".partition("/data/")[2].split("/")
        if room not in DEPTHS:
            raise PrunemarkError(f"{path}: not under data/, in one of {', '.join(DEPTHS)}")
        point = cls(*names[: DEPTHS[room]])
        return cls(point.dataset, point.encoder, pruner=point.watermark) if point.seed == LATENCY else point

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Point:
        """The point of a row of results.csv, or of a summary, which has no seed and no key."""
        return cls(*[row.get(column, "") for column in CELL])

    @property
    def folder(self) -> str:
        names = [name for name in self if name]
        if self.pruner and not self.watermark:
            return f"data/scores/{self.dataset}/{self.encoder}/{LATENCY}/{self.pruner}"
        return "/".join(("data", ROOMS[len(names)], *names))

    def at(self, room: str) -> Point:
        """What this one was made from, as far up as a folder under data/."""
        return Point(*self[: DEPTHS[room]])

    @property
    def parent(self) -> Point:
        """What this one was made from: scores from what was pruned, that from a marked encoder, and so on."""
        depth = len([name for name in self if name])
        return Point(*self[: max(above for above in (0, *ROOMS) if above < depth)])

    @property
    def original(self) -> Point:
        return self.under(*ORIGINAL)

    @property
    def is_original(self) -> bool:
        return (self.pruner, self.rate) == ORIGINAL

    def under(self, pruner: str, rate: str) -> Point:
        """The same encoder under a pruner or an alteration."""
        return self._replace(pruner=pruner, rate=rate)

    @property
    def way(self) -> str:
        """What was done to the encoder, in one word of a journal."""
        return f"{self.pruner}/{self.rate}"

    @property
    def curve(self) -> Point:
        """What all seeds, keys and rates of a pruner share."""
        return self._replace(seed="", key="", rate="")
