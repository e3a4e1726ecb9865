"""Reading params.yaml: its faults as one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prunemark.disk.yaml_file import read_yaml
from prunemark.errors import PrunemarkError
from prunemark.plan.consistency import complete
from prunemark.plan.params import Alteration, Check, Dataset, Encoder, Params, Pruner, Strict, Structured, Watermark

PARAMS = Path("params.yaml")


def read_params(path: Path = PARAMS) -> Params:
    """Read and check params.yaml.

    Raises:
        PrunemarkError: one line naming the file, the key, the value found and what is allowed.
    """
    raw = read_yaml(path)
    try:
        return complete(Params.model_validate(raw))
    except ValidationError as error:
        raise PrunemarkError(f"{path}: {one_line(error, raw)}") from None
    except PrunemarkError as error:
        raise PrunemarkError(f"{path}: {error}") from None


def one_line(error: ValidationError, raw: Any) -> str:
    """The first fault of a validation as ``key: value is not allowed: what is``."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed: {', '.join(allowed_keys(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{where}: missing, and it has no default"
    if not where:
        return f"{type(raw).__name__} found: a mapping with the keys {', '.join(Params.model_fields)} is needed"
    rule = fault["msg"].replace("Input should be", "it should be").replace("String should", "a name should")
    return f"{where}: {fault['input']!r} is not allowed: {rule}"


def allowed_keys(location: tuple[Any, ...]) -> list[str]:
    models: dict[str, type[Strict]] = {
        "datasets": Dataset,
        "encoders": Encoder,
        "watermarks": Watermark,
        "checks": Check,
        "pruners": Pruner,
        "structured": Structured,
        "alterations": Alteration,
    }
    model: type[Strict] = models[location[0]] if len(location) > 1 else Params
    return sorted(model.model_fields)
