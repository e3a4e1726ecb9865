"""Reading YAML (1.2, as DVC reads it): its faults as one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from prunemark.errors import PrunemarkError


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        PrunemarkError: there is no such file, or it is not YAML.
    """
    try:
        return YAML(typ="safe").load(path)
    except (FileNotFoundError, IsADirectoryError):
        raise PrunemarkError(f"{path}: no such file") from None
    except MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise PrunemarkError(f"{path}: not YAML: {(error.problem or error.context or '').strip()}{where}") from None
    except YAMLError as error:  # bytes that are no text
        raise PrunemarkError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
