"""The JSON schemas in this folder, made of the models that read the files: `make schemas`."""

from __future__ import annotations

import json
from pathlib import Path

from prunemark.formats.calibration import Calibration
from prunemark.formats.conditions import Conditions
from prunemark.formats.journal import Journal
from prunemark.formats.receipt import Receipt
from prunemark.formats.scores import Scores
from prunemark.formats.sparsity import Sparsity
from prunemark.plan.params import Params

MODELS = {
    model.__name__.lower(): model for model in (Params, Receipt, Journal, Scores, Calibration, Sparsity, Conditions)
}


def texts() -> dict[str, str]:
    """The schemas by the name of their file, in the indentation that git can compare line by line."""
    return {f"{name}.json": f"{json.dumps(model.model_json_schema(), indent=2)}\n" for name, model in MODELS.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        Path(__file__).with_name(name).write_text(text)
