"""Reading YAML (1.2, as DVC reads it): its faults as one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from prunemark.errors import PrunemarkError

DEEPEST = 100


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        PrunemarkError: there is no such file, or it is not YAML.
    """
    try:
        found = YAML(typ="safe").load(path)
        if deep(found, DEEPEST, {}):  # what checks it, and what shows it in a message, goes down into it by recursion
            raise RecursionError
        return found
    except (FileNotFoundError, IsADirectoryError):
        raise PrunemarkError(f"{path}: no such file") from None
    except MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise PrunemarkError(f"{path}: not YAML: {(error.problem or error.context or '').strip()}{where}") from None
    except (YAMLError, ValueError, KeyError) as error:  # bytes that are no text, or a value such as 2001-99-99
        raise PrunemarkError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise PrunemarkError(f"{path}: not YAML that can be read: nested too deeply") from None


def deep(value: Any, left: int, seen: dict[int, int]) -> bool:
    """Whether lists and mappings lie in each other ``left`` times or more. ``seen``: what anchors name again is looked
    at once, but where it lies deeper."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not inside or seen.get(id(value), left + 1) <= left:
        return left == 0
    seen[id(value)] = left
    return left == 0 or any(deep(part, left - 1, seen) for part in inside)
