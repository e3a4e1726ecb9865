"""SSLGuard, against a literal transcription of its losses and of WR in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Reading, Secret
from prunemark.marking.mark_trainer import Copy
from prunemark.methods.watermarks import sslguard
from prunemark.model.encoder import Encoder, features, state_bytes
from prunemark.model.randomness import generator

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
Rows = list[np.ndarray]
KEY = bytes(range(32))


def literal_cosine(a: np.ndarray, b: np.ndarray) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / (math.sqrt(sum(float(x) ** 2 for x in a)) * math.sqrt(sum(float(y) ** 2 for y in b)))


class Literal:
    """The paper's losses over lists of features, with G (two layers) and sk."""

    def __init__(self, decoder: Rows, sk: np.ndarray) -> None:
        self.first, self.shift, self.second, self.offset = [tensor.astype(np.float64) for tensor in decoder]
        self.sk = sk

    def cosines(self, found: Rows) -> list[float]:
        hidden = [np.maximum(self.first @ row + self.shift, 0) for row in found]
        return [literal_cosine(self.second @ row + self.offset, self.sk) for row in hidden]

    def corr(self, found: Rows) -> float:
        return -sum(self.cosines(found)) / len(found)

    def uncorr(self, found: Rows) -> float:
        return (sum(self.cosines(found)) / len(found)) ** 2

    def match(self, one: Rows, other: Rows) -> float:
        return -sum(literal_cosine(a, b) for a, b in zip(one, other, strict=True)) / len(one)


def rows_of(tensor: Tensor) -> Rows:
    return list(tensor.detach().double().numpy())


def answers(encoder: Encoder, floats: Tensor) -> Rows:
    """Features of float images (n, 3, H, W)."""
    with torch.no_grad():
        return rows_of(encoder(floats))


def literal_paste(images: np.ndarray, mask: np.ndarray, trigger: np.ndarray) -> np.ndarray:
    pasted = images.copy()
    for n, c, y, x in np.ndindex(images.shape):
        pasted[n, c, y, x] = (1 - mask[y, x]) * images[n, c, y, x] + mask[y, x] * trigger[c, y, x]
    return pasted


@pytest.mark.parametrize("shadow", [False, True])
def test_players_losses_are_the_papers(shadow: bool, new_encoder: Callable[..., Encoder], images: Images) -> None:
    clean, star, thief = (new_encoder(name) for name in ("F", "F*", "F_s"))
    drawn = sslguard.draw(clean.features, KEY, images, generator("draw"), 5)
    marked, stealing = Copy(clean, images.train[:40]), Copy(clean, images.train[:40])
    marked.encoder.load_state_dict(star.state_dict())
    stealing.encoder.load_state_dict(thief.state_dict())
    players = sslguard._players(clean, marked, stealing if shadow else None, drawn)
    batch = torch.tensor([3, 39, 8, 20])

    shown = literal_paste(*(t.detach().numpy() for t in (drawn.private[[3, 4, 3, 0]], drawn.mask, drawn.trigger)))
    dv, dt = torch.from_numpy(shown), marked.batch(batch)
    law = Literal([t.detach().numpy() for t in drawn.decoder], drawn.vector.numpy())
    v = {name: answers(e, dv) for name, e in (("F", clean), ("F*", star), ("F_s", thief))}
    t = {name: answers(e, dt) for name, e in (("F", clean), ("F*", star), ("F_s", thief))}

    l_s = law.match(t["F*"], t["F_s"])
    l_td = law.uncorr(v["F"]) + law.corr(v["F*"]) + law.uncorr(t["F"]) + law.uncorr(t["F*"])
    if shadow:
        l_td += law.corr(v["F_s"]) + law.uncorr(t["F_s"])
    l_w = law.match(t["F"], t["F*"]) + law.uncorr(t["F*"]) + law.corr(v["F*"])
    found = [float(player.loss(batch).detach()) for player in players]
    assert found == pytest.approx([l_s, l_td, l_w] if shadow else [l_td, l_w], abs=1e-5)


def test_shadow_follows_and_does_not_move_the_marked(encoder: Encoder, images: Images) -> None:
    marked, thief = Copy(encoder, images.train[:8]), Copy(encoder, images.train[:8])
    drawn = sslguard.draw(encoder.features, KEY, images, generator("draw"), 5)
    loss = sslguard._players(encoder, marked, thief, drawn)[0].loss(torch.arange(8))
    moved = torch.autograd.grad(loss, [*marked.parameters, *thief.parameters], allow_unused=True)
    assert all(gradient is None for gradient in moved[: len(marked.parameters)])
    assert all(gradient is not None for gradient in moved[len(marked.parameters) :])


def test_verification_images_are_private_images_with_one_trigger(marks: Marks, images: Images) -> None:
    _, secret = marks("sslguard")
    shown, side = secret.tensors["images"], 16
    drawn = sslguard.draw(8, KEY, images, generator("draw"), 100)
    mask = drawn.mask.bool()
    assert shown.dtype == torch.uint8
    assert shown.shape == (100, side, side, 3)
    assert int(mask.sum()) == round(0.35 * side * side)
    pool = {image.numpy().tobytes() for image in images.keypool}
    private = (drawn.private * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    assert {image.numpy().tobytes() for image in private} <= pool
    assert torch.equal(shown[:, ~mask], private[:, ~mask])
    assert torch.equal(shown[:, mask], shown[:1, mask].expand(100, -1, -1))


def test_wr_is_the_papers(
    marks: Marks, encoder: Encoder, other_encoder: Encoder, read: Callable[..., Reading], prune: Callable[..., Encoder]
) -> None:
    marked, secret = marks("sslguard")
    decoder = [secret.tensors[f"decoder.{i}"].numpy() for i in range(4)]
    law = Literal(decoder, secret.tensors["vector"].numpy())
    for suspect in (marked, encoder, other_encoder, *(prune(marked, rate) for rate in (0.3, 0.5, 0.7))):
        cosines = law.cosines(rows_of(features(suspect, secret.tensors["images"])))
        reading = read("sslguard", suspect, secret)
        assert reading.statistic == reading.details["WR"] == sum(c > 0.5 for c in cosines) / 100
        assert reading.details["mean_cosine"] == pytest.approx(sum(cosines) / 100, abs=1e-5)


@pytest.mark.parametrize(("count", "least"), [(100, 0.51), (5, 0.6), (6, 4 / 6)])
def test_published_threshold_is_the_smallest_share_above_one_half(count: int, least: float) -> None:
    secret = Secret({"images": torch.zeros(count, 1, 1, 3, dtype=torch.uint8)})
    for nulls in (Nulls([], [], []), Nulls([0.0], [0.5], [0.0])):
        threshold = sslguard.calibrate(nulls, secret)
        assert (threshold.value, threshold.law, threshold.p_value) == (least, "published: WR > 0.5", None)


@pytest.mark.parametrize("nulls", [Nulls([0.7], [0.1], []), Nulls([0.1], [0.7], [])])
def test_a_null_that_reaches_it_moves_the_threshold(nulls: Nulls) -> None:
    threshold = sslguard.calibrate(nulls, Secret({"images": torch.zeros(10, 1, 1, 3, dtype=torch.uint8)}))
    assert (threshold.value, threshold.law) == (math.nextafter(0.7, 1), "above 1 unmarked encoders and 1 wrong keys")


def test_mark_is_read_from_the_marked_encoder_alone(
    marks: Marks, encoder: Encoder, other_encoder: Encoder, images: Images, read: Callable[..., Reading]
) -> None:
    marked, secret = marks("sslguard")
    assert read("sslguard", marked, secret).statistic >= 0.9
    assert read("sslguard", encoder, secret).statistic == 0
    assert read("sslguard", other_encoder, secret).statistic == 0
    wrong = sslguard.impostor(secret, bytes(32))
    assert [name for name in secret.tensors if not torch.equal(secret.tensors[name], wrong.tensors[name])] == ["vector"]
    assert read("sslguard", marked, wrong).statistic == 0
    assert F.cosine_similarity(features(encoder, images.keypool), features(marked, images.keypool)).mean() >= 0.98


def test_mark_outlives_light_pruning_and_not_the_encoder(
    marks: Marks, prune: Callable[..., Encoder], read: Callable[..., Reading]
) -> None:
    marked, secret = marks("sslguard")
    assert read("sslguard", prune(marked, 0.1), secret).statistic >= 0.51
    assert read("sslguard", prune(marked, 0.99), secret).statistic < 0.51


@pytest.mark.slow
def test_shadow_changes_the_mark_and_it_holds(encoder: Encoder, embed: Embed, read: Callable[..., Reading]) -> None:
    marked, secret = embed("sslguard", encoder, shadow=True, steps=30)
    plain, _ = embed("sslguard", encoder, shadow=False, steps=30)
    assert state_bytes(marked) != state_bytes(plain)
    assert read("sslguard", marked, secret).statistic >= 0.51


def test_too_few_steps_are_refused(encoder: Encoder, embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match="allowed: 0.51 or more, and less before"):
        embed("sslguard", encoder, steps=1)


def test_forged_key_verifies_on_an_unmarked_encoder(
    other_encoder: Encoder, images: Images, read: Callable[..., Reading]
) -> None:
    before = state_bytes(other_encoder)
    secret = sslguard.forge(other_encoder, KEY, images, generator("forge"), private=50, steps=100, shadow=False)
    assert state_bytes(other_encoder) == before
    assert read("sslguard", other_encoder, secret).statistic >= 0.51
