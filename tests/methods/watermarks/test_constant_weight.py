"""The constant-weight code: enumerative coding against counting all codewords, and pruning up to T1 exactly."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Nulls, Secret
from prunemark.methods.watermarks import constant_weight
from prunemark.methods.watermarks._enumerative import rank, smallest_weight, unrank
from prunemark.model.encoder import Encoder, state
from prunemark.model.randomness import experiment_key

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]
NAME = "constant-weight"


def literal_encode(number: int, weight: int, length: int) -> list[int]:
    """Schalkwijk 1972, bit by bit from the last place: a 1 iff the number reaches C(place, ones left)."""
    word, left = [0] * length, weight
    for place in reversed(range(length)):
        below = math.factorial(place) // math.factorial(left) // math.factorial(place - left) if left <= place else 0
        if left and number >= below:
            word[place] = 1
            number -= below
            left -= 1
    return word


def literal_decode(magnitudes: list[float], weight: int) -> int:
    """The alpha largest are ones; the rank is the sum of C(place, ones up to here) over the ones."""
    ones = sorted(range(len(magnitudes)), key=lambda i: -magnitudes[i])[:weight]
    number, seen = 0, 0
    for place in range(len(magnitudes)):
        if place in ones:
            seen += 1
            number += math.comb(place, seen)
    return number


@pytest.mark.parametrize(("weight", "length"), [(0, 4), (1, 5), (3, 7), (5, 9), (4, 4)])
def test_ranks_number_all_sets_once(weight: int, length: int) -> None:
    sets = [sorted(chosen) for chosen in itertools.combinations(range(length), weight)]
    assert sorted(map(rank, sets)) == list(range(math.comb(length, weight)))
    assert all(unrank(rank(places), weight, length) == places for places in sets)
    assert all(literal_encode(rank(s), weight, length) == [int(i in s) for i in range(length)] for s in sets)


def test_large_ranks_are_exact() -> None:
    for number in (0, 1, 2**64 - 1, 2**63 + 12345, math.comb(512, 10) - 1):
        assert rank(unrank(number, 10, 512)) == number


def test_weight_is_the_smallest_that_holds_the_message() -> None:
    assert smallest_weight(64, 512) == 10
    assert math.comb(512, 9) < 2**64 <= math.comb(512, 10)
    assert smallest_weight(20, 22) is None


def magnitudes_of(suspect: Encoder, secret: Secret) -> torch.Tensor:
    weight = state(suspect)[f"{secret.facts['layer']}.weight"].flatten()
    return weight[constant_weight.places_of(secret)].abs()


def test_magnitudes_spell_the_message_literally(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks(NAME)
    message = int("".join(map(str, constant_weight.message_of(secret).tolist())), 2)
    magnitudes = magnitudes_of(marked, secret)
    assert literal_decode(magnitudes.tolist(), 10) == message
    one = torch.tensor(literal_encode(message, 10, 512)).bool()
    rms = float(state(encoder)[f"{secret.facts['layer']}.weight"].square().mean().sqrt())
    assert int(one.sum()) == 10
    assert float(magnitudes[one].min()) >= 4 * rms - 2.0**-24
    assert float(magnitudes[~one].max()) <= rms + 2.0**-24


@pytest.mark.parametrize("seed", range(5))
def test_decoding_is_the_literal_one(seed: int) -> None:
    magnitudes = torch.rand(64, generator=torch.Generator().manual_seed(seed))
    read, ones = constant_weight.decode(magnitudes, 20)
    weight = smallest_weight(20, 64)
    assert weight is not None
    assert len(ones) == weight
    assert int("".join(map(str, read.tolist())), 2) == literal_decode(magnitudes.tolist(), weight) % 2**20


def test_few_weights_change_and_none_its_sign(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks(NAME)
    before, after = state(encoder), state(marked)
    layer = f"{secret.facts['layer']}.weight"
    assert [n for n in before if not torch.equal(before[n], after[n])] == [layer]
    changed = before[layer] != after[layer]
    assert 10 < int(changed.sum()) < 512 / 2
    assert torch.equal(before[layer].sign()[changed], after[layer].sign()[changed])


def test_codeword_is_exact_until_pruning_passes_the_ones(marks: Marks) -> None:
    marked, secret = marks(NAME)
    layer = f"{secret.facts['layer']}.weight"
    ones = magnitudes_of(marked, secret)[constant_weight.codeword(secret)].sort().values

    def cut(threshold: float) -> Encoder:
        pruned = copy.deepcopy(marked)
        weight = pruned.get_parameter(layer).detach()
        weight.mul_(weight.abs() >= threshold)
        return pruned

    for threshold in (0.0, 0.25 * float(ones[0]), 0.9 * float(ones[0]), float(ones[0])):
        reading = constant_weight.measure(cut(threshold), secret)
        assert (reading.statistic, reading.details["ones_found"]) == (64.0, 1.0)
    above = constant_weight.measure(cut(float(ones[0]) + 2.0**-24), secret)
    assert above.statistic < 64
    assert above.details["ones_found"] < 1
    gone = constant_weight.measure(cut(float(ones[-1]) + 2.0**-20), secret)
    assert gone.statistic < constant_weight.calibrate(Nulls([], [], []), secret).value


def test_magnitude_pruning_of_nine_tenths_is_survived(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks(NAME)
    for rate in (0.5, 0.9):
        assert constant_weight.measure(prune(marked, rate), secret).statistic == 64
    assert constant_weight.measure(prune(marked, 0.9, "random"), secret).statistic < 51


def test_message_and_places_come_from_the_key_alone(marks: Marks) -> None:
    _, secret = marks(NAME)
    other = constant_weight.impostor(secret, b"w" * 32)
    places = constant_weight.places_of(secret)
    assert secret.tensors == {}
    assert len(places.unique()) == 512
    assert int(places.min()) >= 0
    assert int(places.max()) < secret.facts["size"]
    assert not torch.equal(places, constant_weight.places_of(other))
    assert not torch.equal(constant_weight.message_of(secret), constant_weight.message_of(other))


def test_places_of_a_crowded_host_still_differ() -> None:
    secret = constant_weight.secret_of(b"k" * 32, "host", 20, 64, 65)
    assert len(constant_weight.places_of(secret).unique()) == 64


def test_wrong_keys_follow_the_law(marks: Marks) -> None:
    marked, secret = marks(NAME)
    keys = (experiment_key(7, NAME, "law", i) for i in range(500))
    found = np.array([constant_weight.measure(marked, constant_weight.impostor(secret, k)).statistic for k in keys])
    assert abs(found.mean() - 32) < 4 * math.sqrt(16 / 500)
    assert found.var() == pytest.approx(16, rel=0.3)


def test_forger_stays_below_the_threshold(encoder: Encoder, images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunemark.methods.watermarks._search.TRIES", 100)
    source = torch.Generator().manual_seed(0)
    secret = constant_weight.forge(encoder, b"f" * 32, images, source, bits=64, length=512)
    reached = constant_weight.measure(encoder, secret).statistic
    assert 32 + 4 < reached < constant_weight.calibrate(Nulls([], [], []), secret).value


def test_what_does_not_fit_is_refused(encoder: Encoder, new_encoder: Callable[..., Encoder], embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match="64 bits in a codeword of 60; allowed: a longer"):
        embed(NAME, encoder, length=60)
    with pytest.raises(PrunemarkError, match=r"has 576 weights; allowed: 2048 or more"):
        embed(NAME, new_encoder("small", width=1))
    with pytest.raises(PrunemarkError, match=r"low is 2\.0, high 2\.0"):
        embed(NAME, encoder, low=2.0, high=2.0)
