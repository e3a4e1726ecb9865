"""The samples of an evaluation against each head's own words, and softmax as scipy has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from prunemark.errors import PrunemarkError
from prunemark.formats.receipt import Receipt
from prunemark.formats.written import write
from prunemark.metrics.head import fit_head
from prunemark.requests.stage_requests import EvaluateRequest
from prunemark.stages.evaluate import evaluate, predictions
from prunemark.stages.split_data import Data


def test_every_head_predicts_and_says_how_sure_it_is() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    train, test = (torch.randn(90, 5, generator=generator) + labels[:, None] for _ in range(2))
    split = {"index_train": torch.arange(90), "index_test": torch.arange(90), "train_labels": labels}
    images = Data(
        {**split, "test_labels": labels, "train_images": torch.zeros(90, 1)}, [0.0] * 3, [1.0] * 3, ["a", "b", "c"]
    )
    heads = {"frozen": fit_head(train, labels, 3), "refit": fit_head(test, labels, 3)}
    found = predictions(heads, train, test, images, 90)
    assert (found["labels"] == labels.numpy()).all()
    for name, head in heads.items():
        logits = head.logits(test).double().numpy()
        chosen = softmax(logits, axis=1)[np.arange(90), found[f"predicted_{name}"]]
        assert (found[f"predicted_{name}"] == head.predict(test).numpy()).all()
        assert found[f"confidence_{name}"].dtype == np.float32
        np.testing.assert_allclose(found[f"confidence_{name}"], chosen, rtol=1e-6)
    assert (found["confidence_frozen"] != found["confidence_refit"]).any()
    assert found["left_out_refit"].tolist() == [0, 5]
    assert set(found) == {"labels", "predicted_knn", "left_out_refit"} | {
        f"{what}_{head}" for what in ("predicted", "confidence") for head in heads
    }


def test_a_cell_is_held_against_its_own_original_alone(tmp_path: Path) -> None:
    given: dict[str, Any] = {"parameters": {"marked": "data/marked/other"}, "inputs": {}, "outputs": {}, "code": {}}
    write(tmp_path / "other/receipt.json", Receipt(schema=2, stage="evaluate", command="", seed=None, **given))
    data, marked, out = (Path(name) for name in ("data/raw/a", "data/marked/own", "out"))
    apart = "--pruned and --original go together: scores of the original to hold the pruned against"
    other = f"--original: {tmp_path}/other is not allowed: the scores of {marked}, unpruned"
    for pruned, original, message in (
        (Path("pruned"), None, apart),
        (None, Path("original"), apart),
        (Path("pruned"), tmp_path / "other", other),
    ):
        with pytest.raises(PrunemarkError) as caught:
            evaluate(
                EvaluateRequest(
                    data=data, marked=marked, pruned=pruned, original=original, head_images=10, threads=1, out=out
                )
            )
        assert str(caught.value) == message
