"""Overwriting: the thief's marks hold, each by another key, and what was marked first is met by them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Secret
from prunemark.methods.alterations import overwrite
from prunemark.methods.watermarks import uchida
from prunemark.model.encoder import Encoder, state_bytes
from prunemark.model.randomness import generator

Alter = Callable[..., Encoder]
OWN = bytes(range(32))


@pytest.fixture(scope="module")
def marked(encoder: Encoder, images: Images) -> tuple[Encoder, Secret]:
    return uchida.embed(encoder, OWN, images, generator("test own mark"), **uchida.SETTINGS)  # type: ignore[arg-type]


def keys_drawn(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of all marks that are embedded from here on."""
    keys: list[bytes] = []
    embed = uchida.embed

    def listen(encoder: Encoder, key: bytes, *more: object, **settings: object) -> tuple[Encoder, Secret]:
        keys.append(key)
        return embed(encoder, key, *more, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(uchida, "embed", listen)
    return keys


def test_every_mark_is_by_a_key_of_its_own_and_the_last_one_holds(
    marked: tuple[Encoder, Secret], alter: Alter, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_drawn(monkeypatch)
    altered = alter("overwrite", marked[0], 3)
    assert len(keys) == len({*keys, OWN}) - 1 == 3
    assert all(len(key) == 32 for key in keys)
    layer, size = marked[1].facts["layer"], marked[1].tensors["projection"].shape[1]
    last = uchida.secret_of(keys[-1], layer, 64, size)
    assert uchida.measure(altered, last).statistic == 64
    assert uchida.measure(marked[0], last).statistic < 51
    first = uchida.measure(altered, marked[1]).statistic
    assert uchida.measure(marked[0], marked[1]).statistic == 64
    assert first > 32  # it meets the first mark, and need not undo it


def test_more_marks_begin_with_the_same(encoder: Encoder, alter: Alter, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = keys_drawn(monkeypatch)
    alter("overwrite", encoder, 1)
    alter("overwrite", encoder, 2)
    assert keys[0] == keys[1] != keys[2]


def test_another_scheme_marks_where_it_marks(marked: tuple[Encoder, Secret], alter: Alter) -> None:
    altered = alter("overwrite", marked[0], 1, scheme="reversible")
    assert state_bytes(altered) != state_bytes(marked[0])
    changed = [n for n, w in altered.named_parameters() if not torch.equal(w, marked[0].get_parameter(n))]
    assert len(changed) == 1
    assert changed != [f"{marked[1].facts['layer']}.weight"]
    assert uchida.measure(altered, marked[1]).statistic == 64


@pytest.mark.parametrize("scheme", ["none", "sha256", "uchidda", ""])
def test_a_scheme_that_marks_nothing_is_refused_by_its_name(scheme: str) -> None:
    with pytest.raises(PrunemarkError) as caught:
        registry.complete("alterations", "overwrite", {"scheme": scheme})
    said = str(caught.value)
    assert said.startswith(f"alterations.overwrite.scheme: {scheme!r} is not allowed: one of armssl, ")
    assert "none" not in said.partition("one of")[2]


def test_the_scheme_is_code_of_the_step() -> None:
    given = registry.complete("alterations", "overwrite", {"scheme": "wu"})
    assert registry.named_by("alterations", "overwrite", given) == [("watermarks", "wu")]
    assert registry.named_by("alterations", "noise", {}) == []
    assert set(overwrite.METHODS) <= set(overwrite.SETTINGS)
