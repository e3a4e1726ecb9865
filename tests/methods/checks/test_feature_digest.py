"""The feature digest: literal recomputation, no false alarms, and detection of light pruning."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.methods.checks import feature_digest
from prunemark.model.encoder import Encoder, features
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
KEYS = [experiment_key(3, "feature-digest", "test", i) for i in range(20)]


def test_digests_are_literal(encoder: Encoder, marks: Marks) -> None:
    _, secret = marks("feature-digest")
    values = features(encoder, secret.tensors["images"]).numpy().astype(np.float64)
    delta = 0.0005 * np.sqrt((values**2).mean())
    assert secret.facts["delta"] == pytest.approx(delta)
    for i, row in enumerate(values):
        cells = np.floor(row / secret.facts["delta"]).astype(int)
        content = struct.pack("<q", i) + b"".join(struct.pack("<q", cell) for cell in cells)
        key = bytes.fromhex(secret.facts["key"])
        assert secret.facts["digests"][i] == hmac.new(key, content, hashlib.sha256).hexdigest()


@given(hnp.arrays(np.float32, (2, 5), elements=st.floats(-1e3, 1e3, width=32)), st.floats(1e-3, 10))
def test_intact_values_lie_mid_cell(drawn: np.ndarray, delta: float) -> None:
    values = torch.from_numpy(drawn).double()
    offsets = torch.remainder(values, delta)
    intact = feature_digest.cells(values, offsets, delta)
    for move, same in ((0.49, True), (-0.49, True), (0.51, False), (-0.51, False)):
        moved = feature_digest.cells(values + move * delta, offsets, delta)
        assert bool((moved == intact).all()) == bool((moved == intact).any()) == same


def test_benign_variation_leaves_a_factor_of_50(
    new_encoder: Callable[..., Encoder], new_images: Callable[..., torch.Tensor], embed: Embed
) -> None:
    pool = new_images(250, 28)
    intact = new_encoder("benign", width=16, image_size=28)
    _, secret = embed("feature-digest", intact, pool=Images(pool, pool))
    chosen = secret.tensors["images"]
    reference, deviation = features(intact, chosen), 0.0
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            varied = [features(intact, chosen, batch) for batch in (1, 3, 8, 250)]
            varied.append(features(intact, torch.cat([chosen, pool]))[: len(chosen)])
            deviation = max(deviation, *(float((found - reference).abs().max()) for found in varied))
    finally:
        torch.set_num_threads(1)
    assert deviation * 50 <= secret.facts["delta"] / 2


@pytest.mark.parametrize("batch", [1, 3, 8, 250])
def test_intact_matches_in_any_batch_size(batch: int, encoder: Encoder, embed: Embed, read: Read) -> None:
    for key in KEYS[:5]:
        _, secret = embed("feature-digest", encoder, key=key)
        assert read("feature-digest", encoder, secret, batch) == Reading(8.0, trials=8)


def test_pruning_one_percent_is_noticed_under_every_key(
    encoder: Encoder, embed: Embed, read: Read, prune: Callable[..., Encoder]
) -> None:
    pruned = prune(encoder, 0.01)
    for key in KEYS:
        _, secret = embed("feature-digest", encoder, key=key)
        assert read("feature-digest", pruned, secret).statistic < 8.0


def test_keys_draw_different_images(encoder: Encoder, embed: Embed) -> None:
    drawn = {embed("feature-digest", encoder, key=key)[1].tensors["images"].numpy().tobytes() for key in KEYS}
    assert len(drawn) == len(KEYS)


def test_threshold_is_all_images(marks: Marks, no_nulls: Nulls) -> None:
    assert feature_digest.calibrate(no_nulls, marks("feature-digest")[1]).value == 8.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_a_cell_number_that_does_not_fit_has_no_digest(value: float) -> None:
    assert feature_digest.digest(KEYS[0], 0, torch.tensor([0.0, value], dtype=torch.float64)) == ""


def test_too_small_a_pool_is_refused(encoder: Encoder, embed: Embed, images: Images) -> None:
    with pytest.raises(PrunemarkError, match="5 images in the key pool; allowed: 8 or more"):
        embed("feature-digest", encoder, pool=Images(images.train, images.keypool[:5]))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_features_without_scale_are_refused(value: float, new_encoder: Callable[..., Encoder], embed: Embed) -> None:
    broken = new_encoder("broken")
    for parameter in broken.parameters():
        parameter.detach().fill_(value)
    with pytest.raises(PrunemarkError, match="cell size"):
        embed("feature-digest", broken)
