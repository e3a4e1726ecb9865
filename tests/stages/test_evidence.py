"""What the report shows beside the scores, from files: chains of receipts, images, curves of raw statistics."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prunemark.formats.calibration import Calibration, Trials
from prunemark.formats.receipt import Receipt
from prunemark.formats.written import write
from prunemark.stages import page_supplement as _evidence


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_receipt(folder: str, *reads: str) -> None:
    inputs = {f"{other}/receipt.json": "0" for other in reads}
    receipt = Receipt(schema=2, stage="", command="", parameters={}, seed=None, inputs=inputs, outputs={}, code={})
    write(Path(folder) / "receipt.json", receipt)


def test_a_step_comes_after_all_that_it_reads() -> None:
    write_receipt("data/raw/a")
    write_receipt("data/encoders/a", "data/raw/a")
    write_receipt("data/marked/a", "data/encoders/a", "data/raw/a")
    write_receipt("data/scores/a", "data/marked/a", "data/raw/a")
    order = list(_evidence.chains([Path("data/scores/a"), Path("data/raw/a")]))
    assert order == ["data/raw/a", "data/encoders/a", "data/marked/a", "data/scores/a"]


def test_receipts_that_name_each_other_are_followed_once() -> None:
    write_receipt("data/raw/a", "data/raw/b")
    write_receipt("data/raw/b", "data/raw/a", "data/raw/b")
    assert set(_evidence.chains([Path("data/raw/a")])) == {"data/raw/a", "data/raw/b"}


@pytest.mark.parametrize(("size", "shown"), [(28, 28), (32, 32), (224, 64)])
def test_pictures_are_the_images_and_no_larger_than_the_page_needs(size: int, shown: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)
    with Image.open(io.BytesIO(base64.b64decode(_evidence.png(image)))) as read:
        assert read.size == (shown, shown)
        if size == shown:
            assert (np.array(read) == image).all()


def write_calibration(kind: str, trials: list[Trials]) -> None:
    calibration = Calibration(schema=1, method="a", kind=kind, level="WEIGHTS", trials=trials)
    write(Path("calibration.json"), calibration)


def trial(threshold: float, **more: Any) -> Trials:
    absent = dict.fromkeys(("law", "p_value", "twin", "bfloat16", "forged"))
    return Trials(threshold=threshold, marked=0, **{**absent, "unmarked": [], "wrong_keys": [], "intact": [], **more})


def test_a_robust_scheme_is_held_against_unmarked_encoders_and_wrong_keys_key_by_key() -> None:
    trials = [trial(5, unmarked=[6, 1], wrong_keys=[(2, 3)]), trial(8, unmarked=[7, 1], wrong_keys=[(9, 2)])]
    write_calibration("robust", trials)
    nulls = _evidence.read_nulls(Path("calibration.json"))
    assert nulls is not None
    assert nulls.robust
    # 6 reaches 5, 7 does not reach 8, two wrong keys at 9 do.
    assert nulls.beyond == 3
    curve = nulls.curve(np.array([6.0, 7.5]))
    assert curve["at"] == [3, 1]
    assert curve["corners"][-1] == (9, 2)


def test_a_fragile_scheme_notices_what_falls_below_intact_copies() -> None:
    write_calibration("fragile", [trial(3, intact=[4, 4, 2])])
    nulls = _evidence.read_nulls(Path("calibration.json"))
    assert nulls is not None
    assert not nulls.robust
    assert nulls.beyond == 1
    curve = nulls.curve(np.array([1.0]))
    assert curve["at"] == [1, 1]
    assert curve["area"] == 1


def test_without_nulls_there_is_no_curve() -> None:
    write_calibration("robust", [trial(3)])
    assert _evidence.read_nulls(Path("calibration.json")) is None
