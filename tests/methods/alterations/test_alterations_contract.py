"""What every alteration must keep, whatever it is."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prunemark import registry
from prunemark.disk.tensors import read_encoder, write_encoder
from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images
from prunemark.model.encoder import Encoder, features, state, state_bytes, weights

Alter = Callable[..., Encoder]

NAMES = registry.names("alterations")
STRENGTHS = {
    "adversarial-weights": 0.01,
    "backdoor": 1,
    "bit-flip": 20,
    "fine-tune": 1,
    "half": 1,
    "noise": 0.01,
    "overwrite": 1,
    "permute": 1,
    "quantise": 6,
    "quantise-activations": 6,
    "rescale": 10,
    "rotate": 1,
    "steal": 1,
}


@pytest.mark.parametrize("name", NAMES)
def test_constants_and_signature(name: str) -> None:
    module, found = registry.load("alterations", name), registry.constants("alterations", name)
    kinds = {"LEAST_STRENGTH": (int, float), "MOST_STRENGTH": (int, float), "WHOLE": bool, "FALLING": bool}
    for constant, types in kinds.items():
        assert isinstance(found[constant], types)
    assert 0 < found["LEAST_STRENGTH"] <= found["MOST_STRENGTH"]
    assert "\n" not in found["STRENGTHS"]
    assert found["LEAST"].keys() <= found["SETTINGS"].keys()
    expected = ["encoder", "strength", "trainer", "images", "generator", *found["SETTINGS"]]
    assert list(inspect.signature(module.alter).parameters) == expected


@pytest.mark.parametrize("name", NAMES)
def test_strengths_outside_the_range_are_refused(name: str) -> None:
    found = registry.constants("alterations", name)
    registry.check_strength(name, found["LEAST_STRENGTH"])
    registry.check_strength(name, found["MOST_STRENGTH"])
    outside = [0, -1, found["LEAST_STRENGTH"] / 2, 2 * found["MOST_STRENGTH"], float("nan"), float("inf")]
    outside += [found["LEAST_STRENGTH"] + 0.5] if found["WHOLE"] else []
    for strength in outside:
        with pytest.raises(PrunemarkError, match=rf"^alterations\.{name}: strength .* is not allowed: ") as caught:
            registry.check_strength(name, strength)
        assert str(caught.value).endswith(found["STRENGTHS"])


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_the_same_kind_is_changed_and_the_argument_is_not(
    name: str, encoder: Encoder, images: Images, alter: Alter
) -> None:
    before, train, keypool = state_bytes(encoder), images.train.clone(), images.keypool.clone()
    altered = alter(name, encoder, STRENGTHS[name])
    assert state_bytes(encoder) == before
    assert not encoder.training
    assert all(p.requires_grad and p.grad is None for p in encoder.parameters())
    assert torch.equal(images.train, train)
    assert torch.equal(images.keypool, keypool)

    assert altered is not encoder
    assert not altered.training
    assert altered.spec.trained == encoder.spec
    assert altered.spec.channels is None
    assert all(p.requires_grad and p.grad is None and p.is_leaf for p in altered.parameters())
    old, new = state(encoder), state(altered)
    assert {n: (new[n].shape, new[n].dtype) for n in old} == {n: (t.shape, t.dtype) for n, t in old.items()}
    assert {n.rpartition(".")[0] for n in new.keys() - old.keys()} <= {"output", *added_ranges(altered)}
    assert all(t.isfinite().all() for t in new.values())
    assert features(altered, images.train).isfinite().all()
    assert state_bytes(altered) != before
    own = {t.data_ptr() for t in altered.state_dict().values()}
    assert not own & {t.data_ptr() for t in encoder.state_dict().values()}


def added_ranges(altered: Encoder) -> list[str]:
    return [name.removesuffix(".weight") for name in weights(altered)] if altered.spec.activation_bits else []


@pytest.mark.parametrize("name", NAMES)
def test_what_it_leaves_is_a_file(name: str, encoder: Encoder, images: Images, alter: Alter, tmp_path: Path) -> None:
    altered = alter(name, encoder, STRENGTHS[name])
    write_encoder(tmp_path / "encoder.safetensors", altered)
    again = read_encoder(tmp_path / "encoder.safetensors")
    assert again.spec == altered.spec
    assert state_bytes(again) == state_bytes(altered)
    assert torch.equal(features(again, images.keypool), features(altered, images.keypool))
    moved = copy.deepcopy(altered)
    assert torch.equal(features(moved, images.keypool), features(altered, images.keypool))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_gives_the_same_bytes(name: str, encoder: Encoder, alter: Alter) -> None:
    torch.manual_seed(1)
    first = state_bytes(alter(name, encoder, STRENGTHS[name]))
    torch.manual_seed(2)
    assert state_bytes(alter(name, encoder, STRENGTHS[name])) == first
    drawn = state_bytes(alter(name, encoder, STRENGTHS[name], seed=1)) != first
    # The few images here are all calibrated on, whatever is drawn.
    assert drawn == (name not in ("half", "quantise", "quantise-activations", "fine-tune"))


@pytest.mark.parametrize("name", ["adversarial-weights", "bit-flip", "noise", "quantise", "fine-tune", "overwrite"])
def test_more_strength_changes_more(name: str, encoder: Encoder, alter: Alter) -> None:
    least, most = {
        "adversarial-weights": (0.001, 0.01),
        "bit-flip": (1, 20),
        "noise": (0.001, 0.01),
        "quantise": (8, 4),
        "fine-tune": (1, 2),
        "overwrite": (1, 2),
    }[name]

    def change(strength: float) -> float:
        pairs = zip(state(alter(name, encoder, strength)).values(), state(encoder).values(), strict=True)
        if name == "bit-flip":
            return sum(int((new != old).sum()) for new, old in pairs)
        return sum(float((new - old).double().square().sum()) for new, old in pairs)

    assert 0 < change(least) < change(most)
