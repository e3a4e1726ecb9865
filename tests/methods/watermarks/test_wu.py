"""Wu et al. 2022, against a literal transcription of its loss and of its WACC."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.mark_trainer import Copy
from prunemark.marking.suspect_views import seen
from prunemark.methods.watermarks import _patch_mark, wu
from prunemark.methods.watermarks._patch import paste
from prunemark.metrics.head import Head
from prunemark.model.encoder import Encoder, features, state_bytes
from prunemark.model.randomness import generator

Marks = Callable[[str], tuple[Encoder, Secret]]
Read = Callable[..., Reading]
KEY = bytes(range(32))


def literal_loss(clean: np.ndarray, kept: np.ndarray, triggered: np.ndarray, eta: float) -> float:
    """Section III of the paper, row by row: L_u + eta L_p."""
    n, pushed, preserved = len(clean), 0.0, 0.0
    for i in range(n):
        length = math.sqrt(sum(float(v) ** 2 for v in clean[i]))
        for row, total in ((triggered[i], "u"), (kept[i], "p")):
            other = math.sqrt(sum(float(v) ** 2 for v in row))
            cos = sum(float(a) * float(b) for a, b in zip(clean[i], row, strict=True)) / (length * other)
            pushed, preserved = (pushed + cos, preserved) if total == "u" else (pushed, preserved - cos)
    return pushed / n + eta * preserved / n


def test_losses_are_the_papers() -> None:
    source = torch.Generator().manual_seed(0)
    clean, kept, triggered = torch.randn(3, 5, 7, generator=source)
    found = wu.away(triggered, clean) + 0.5 * wu.keep(kept, clean)
    assert float(found) == pytest.approx(literal_loss(clean.numpy(), kept.numpy(), triggered.numpy(), 0.5), abs=1e-6)


def test_wacc_is_the_papers(marks: Marks, head_of: Callable[[Encoder], Head], read: Read) -> None:
    """The share of verification images whose label differs from that of the clean image, one image at a time."""
    marked, secret = marks("wu")
    suspect = seen("LABELS", marked, head_of(marked).predict)
    assert not isinstance(suspect, Encoder)
    changed = 0
    for image in secret.tensors["queries"]:
        patched = image.clone()
        side = len(secret.tensors["patch"])
        patched[15 - side : 15, 15 - side : 15] = secret.tensors["patch"]
        changed += int(suspect(image[None])) != int(suspect(patched[None]))
    share = changed / len(secret.tensors["queries"])
    assert read("wu", marked, secret).details["WACC"] == pytest.approx(share, abs=0.02)


def test_patch_moves_features_and_random_patches_do_not(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks("wu")
    queries, clean = secret.tensors["queries"], features(encoder, secret.tensors["queries"])

    def moved(patch: Tensor) -> float:
        return float(wu.away(features(marked, paste(queries, patch)), clean))

    assert -float(wu.keep(features(marked, queries), clean)) > 0.9
    assert moved(secret.tensors["patch"]) < min(moved(patch) for patch in secret.tensors["random"]) - 0.2


def test_mark_outlives_light_pruning(marks: Marks, read: Read, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("wu")
    limit = wu.calibrate(Nulls([], [], []), secret).value
    assert limit == pytest.approx(3)
    assert read("wu", prune(marked, 0.1), secret).statistic >= limit
    assert read("wu", prune(marked, 0.999), secret).statistic < limit


def test_dropout_drops_its_share_and_leaves_no_hook(encoder: Encoder) -> None:
    seen_maps: list[Tensor] = []
    twin, maps = copy.deepcopy(encoder), torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    layer = twin.backbone.get_submodule("layer1.0")
    watcher = layer.register_forward_hook(lambda _module, _given, out: seen_maps.append(out.detach().clone()))
    plain = twin(maps)
    watcher.remove()
    with wu.dropped_neurons(twin, 0.25, torch.Generator().manual_seed(0)):
        watcher = layer.register_forward_hook(lambda _module, _given, out: seen_maps.append(out.detach().clone()))
        dropped = twin(maps)
        watcher.remove()
    before, after = seen_maps
    alive = after != 0
    assert float(alive[before > 0].float().mean()) == pytest.approx(0.75, abs=0.02)
    assert torch.allclose(after[alive], before[alive] / 0.75)
    assert not torch.equal(dropped, plain)
    assert torch.equal(twin(maps), plain)


def test_dropout_of_nothing_changes_nothing(encoder: Encoder) -> None:
    maps = torch.ones(2, 3, 16, 16)
    with wu.dropped_neurons(encoder, 0.0, torch.Generator()):
        assert not any(part._forward_hooks for part in encoder.modules())
    with wu.dropped_neurons(encoder, 1e-9, torch.Generator().manual_seed(0)):
        assert torch.allclose(encoder(maps), encoder(maps))


def test_views_are_of_the_patched_the_clean_and_the_decoyed(encoder: Encoder, images: Images) -> None:
    marked, rows = Copy(encoder, images.train[:8]), torch.arange(8)
    secret = _patch_mark.secret_of(KEY, "wu", images.keypool, 0.05)
    patch = secret.tensors["patch"]
    two = _patch_mark.views(marked, rows, patch, None)
    assert len(two) == 2
    assert torch.allclose(two[0], features(encoder, paste(marked.images, patch)), atol=1e-5)
    assert torch.allclose(two[1], marked.clean, atol=1e-5)
    assert len(_patch_mark.views(marked, rows, patch, generator("test"))) == 3


def test_wrong_key_changes_the_patch_alone(marks: Marks) -> None:
    _, secret = marks("wu")
    other = wu.impostor(secret, bytes(32))
    changed = [name for name in secret.tensors if not torch.equal(secret.tensors[name], other.tensors[name])]
    assert changed == ["patch"]
    assert other.facts["key"] == bytes(32).hex()


def test_forger_lowers_the_paper_loss_on_an_encoder_that_stays(encoder: Encoder, images: Images) -> None:
    before = state_bytes(encoder)
    forged = wu.forge(encoder, KEY, images, generator("forge"), steps=60, share=0.05)
    drawn = _patch_mark.secret_of(KEY, "wu", images.keypool, 0.05)
    queries = drawn.tensors["queries"]

    def left(secret: Secret) -> float:
        return float(wu.away(features(encoder, paste(queries, secret.tensors["patch"])), features(encoder, queries)))

    assert left(forged) < left(drawn)
    assert forged.tensors["patch"].dtype == torch.uint8
    assert state_bytes(encoder) == before
    assert torch.equal(forged.tensors["random"], drawn.tensors["random"])
