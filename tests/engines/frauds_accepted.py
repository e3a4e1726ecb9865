"""Acceptances that say what is not so, each with the break that it must be; ``{path}``: its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Content = dict[str, Any]


def of_nothing(content: Content) -> None:
    content["changes"][0]["before"] = "0" * 64


def of_other_bytes(content: Content) -> None:
    outputs = content["replays"][0]["outputs"]
    outputs[min(outputs)] = "0" * 64


def of_another_commit(content: Content) -> None:
    content["commit"] = content["commit"][::-1]


def of_a_bound_of_its_own(content: Content) -> None:
    content["bound"] = 0.1


# Named by the hash of what they say, as an honest one is.
FRAUDS: dict[str, tuple[Callable[[Content], None], str]] = {
    "an acceptance that covers nothing": (of_nothing, "{path}: covers nothing: no receipt names "),
    "an acceptance of other bytes": (of_other_bytes, "{path}: says that "),
    "an acceptance with a bound of its own": (of_a_bound_of_its_own, "{path}: says that at most 0.1 % differ"),
    "an acceptance of a commit that is not there": (of_another_commit, "{path}: names commit "),
}
EDITED = ("an edited acceptance",)
UNREPLAYED = ("an acceptance whose replay never ran",)
