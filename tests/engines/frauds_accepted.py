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


def of_steps_that_do_not_run_it(content: Content) -> None:
    content["replays"] = [{"folder": "data/raw/other", "epochs": 0, "outputs": {}}]
    content["steps"], content["bound"] = 1, 0.0


def of_one_step_twice(content: Content) -> None:
    content["replays"].append(content["replays"][0])
    content["bound"] = least(content)


def of_part_of_the_outputs(content: Content) -> None:
    replay = max(content["replays"], key=lambda replay: len(replay["outputs"]))
    del replay["outputs"][min(replay["outputs"])]


def least(content: Content) -> float:
    equal = sum(not replay["epochs"] for replay in content["replays"])
    return round(100 * (1 - 0.05 ** (1 / equal)), 1)


# Named by the hash of what they say, as an honest one is.
FRAUDS: dict[str, tuple[Callable[[Content], None], str]] = {
    "an acceptance that covers nothing": (of_nothing, "{path}: covers nothing: no receipt names "),
    "an acceptance of other bytes": (of_other_bytes, "{path}: says that "),
    "an acceptance of steps that do not run the code": (
        of_steps_that_do_not_run_it,
        "{path}: none of the steps that it says were replayed runs what it accepts",
    ),
    "an acceptance that counts a step twice": (of_one_step_twice, "{path}: says of one step twice"),
    "an acceptance of part of the outputs": (of_part_of_the_outputs, "{path}: says that "),
    "an acceptance with a bound of its own": (of_a_bound_of_its_own, "{path}: says that at most 0.1 % differ"),
    "an acceptance of a commit that is not there": (of_another_commit, "{path}: names commit "),
}
EDITED = ("an edited acceptance",)
UNREPLAYED = ("an acceptance whose replay never ran",)
