"""Reading claims.yaml: its faults, and names that params.yaml does not have, as one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from prunemark.claims.schema import ORIGINAL, PREVIOUS, Bounds, Claim, Claims, Condition, Where
from prunemark.disk.yaml_file import read_yaml
from prunemark.errors import PrunemarkError

MODELS: dict[str, type[BaseModel]] = {"holds": Condition, "where": Where, "rate": Bounds}


def read_claims(path: Path, asked: dict[str, Any]) -> dict[str, Claim]:
    """The claims of a file, by name in its order. ``asked``: the content of params.yaml, whose names they may use.

    Raises:
        PrunemarkError: one line naming the file, the key, the value found and what is allowed.
    """
    raw = read_yaml(path)
    try:
        found = Claims.model_validate({} if raw is None else raw).root
    except ValidationError as error:
        raise PrunemarkError(f"{path}: {one_line(error)}") from None
    except PrunemarkError as error:
        raise PrunemarkError(f"{path}: {faulty(raw)}{error}") from None
    for name, claim in found.items():
        for where, value, allowed in names_used(claim, asked):
            if value not in allowed:
                raise PrunemarkError(f"{path}: {name}.{where}: {value!r} is not one of {', '.join(allowed) or 'none'}")
    return found


def one_line(error: ValidationError) -> str:
    """The first fault of a validation as ``key: value is not allowed: what is``."""
    fault = error.errors()[0]
    parts = [str(part) for part in fault["loc"] if part != "[key]"]
    where = ".".join(parts)
    if fault["type"] == "extra_forbidden":
        named = [MODELS[part] for part in parts if part in MODELS]
        model = named[-1] if named else Claim
        allowed = sorted(field.alias or name for name, field in model.model_fields.items())
        return f"{where}: unknown key; allowed: {', '.join(allowed)}"
    if fault["type"] == "missing":
        return f"{where}: missing, and it has no default"
    rule = fault["msg"].replace("Input should be", "it should be").replace("String should", "a name should")
    return f"{where or 'the whole'}: {str(fault['input'])[:60]!r} is not allowed: {rule}"


def faulty(raw: dict[str, Any]) -> str:
    """The name of the first claim that contradicts itself: pydantic does not say it of our own errors."""
    for name, entry in raw.items():
        try:
            Claim.model_validate(entry)
        except PrunemarkError:
            return f"{name}: "
    return ""


def names_used(claim: Claim, asked: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Every name that a claim uses: where, the name, and the names that params.yaml has for this."""
    allowed = {
        "dataset": list(asked["datasets"]),
        "probe": list(asked["datasets"]),
        "encoder": list(asked["encoders"]),
        "watermark": list(asked["watermarks"]),
        "scheme": [*asked["watermarks"], *asked["checks"]],
        "pruner": ways(claim.where, asked),
    }
    used = [(f"where.{key}", name, names) for key, names in allowed.items() for name in getattr(claim.where, key) or []]
    compared = [condition.minus for condition in claim.holds if condition.minus is not None]
    return [*used, *(("holds.minus", name, [ORIGINAL, PREVIOUS, *ways(Where(), asked)]) for name in compared)]


def ways(where: Where, asked: dict[str, Any]) -> list[str]:
    """The pruners, alterations or the original, of the kinds that a claim speaks of."""
    kinds: dict[str, list[str]] = {
        "weights": list(asked["pruners"]),
        "channels": list(asked.get("structured", {})),
        "alterations": list(asked.get("alterations", {})),
        "original": [ORIGINAL],
    }
    return [name for kind in where.kind for name in kinds[kind]]
