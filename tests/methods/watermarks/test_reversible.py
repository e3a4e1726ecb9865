"""The reversible watermark: bit-for-bit restoration, and the payload read again without the module's code."""

from __future__ import annotations

import copy
import hashlib
import hmac
from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunemark.errors import PrunemarkError
from prunemark.marking.contract import Images, Secret
from prunemark.methods.watermarks import reversible
from prunemark.methods.watermarks._largest import largest_convolution
from prunemark.model.encoder import Encoder, features, snap, state, state_bytes

Embed = Callable[..., tuple[Encoder, Secret]]
Marks = Callable[[str], tuple[Encoder, Secret]]


def host_weight(encoder: Encoder, secret: Secret) -> torch.Tensor:
    return encoder.state_dict()[f"{secret.facts['layer']}.weight"]


def test_restores_the_encoder_bit_for_bit(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks("reversible")
    before = state_bytes(marked)
    assert state_bytes(reversible.restore(marked, secret)) == state_bytes(encoder) != before
    assert state_bytes(marked) == before


def test_payload_read_literally_is_the_hmac_of_the_original(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks("reversible")
    kernels = host_weight(marked, secret).contiguous().numpy().astype(np.float64)[secret.tensors["channels"].numpy()]
    q = np.floor(kernels.ravel() * 2.0 ** secret.facts["digits"]).astype(int)
    bits = "".join(str(value - secret.facts["peak"]) for value in q if value - secret.facts["peak"] in (0, 1))
    payload = int(bits[: secret.facts["payload_bits"]], 2).to_bytes(34, "big")
    key = bytes.fromhex(secret.facts["key"])
    assert payload == bytes([1, 32]) + hmac.new(key, state_bytes(encoder), hashlib.sha256).digest()


def test_only_host_channels_change_and_by_one_step(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks("reversible")
    layer, channels = f"{secret.facts['layer']}.weight", secret.tensors["channels"]
    before, after = state(encoder), state(marked)
    assert [name for name in before if not torch.equal(before[name], after[name])] == [layer]
    change = after[layer].double() - before[layer].double()
    rest = sorted(set(range(len(change))) - set(channels.tolist()))
    assert not change[rest].any()
    assert set(change.unique().tolist()) == {0.0, 2.0 ** -secret.facts["digits"]}


def test_host_is_the_largest_layer_and_its_least_entropic_half(encoder: Encoder, marks: Marks, images: Images) -> None:
    _, secret = marks("reversible")
    sizes = {n: m.weight.numel() for n, m in encoder.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert sizes[secret.facts["layer"]] == max(sizes.values())
    outputs: list[torch.Tensor] = []
    layer = encoder.get_submodule(secret.facts["layer"])
    hook = layer.register_forward_hook(lambda _module, _inputs, out: outputs.append(out.mean((2, 3)).double()))
    features(encoder, images.train)
    hook.remove()
    entropies = []
    for channel in torch.cat(outputs).numpy().T:
        counts, _ = np.histogram(channel, bins=100)
        share = counts[counts > 0] / len(channel)
        entropies.append(-(share * np.log2(share)).sum())
    chosen, rest = np.zeros(len(entropies), bool), np.array(entropies)
    chosen[secret.tensors["channels"].numpy()] = True
    assert chosen.sum() == len(chosen) // 2
    assert rest[chosen].max() <= rest[~chosen].min() + 0.02  # images come in another order, so last bits differ


def test_digits_are_the_most_that_hold_the_payload(encoder: Encoder, marks: Marks) -> None:
    _, secret = marks("reversible")
    kernels = host_weight(encoder, secret)[secret.tensors["channels"]].double()

    def capacity(digits: int) -> int:
        return int(torch.floor(kernels * 2.0**digits).flatten().unique(return_counts=True)[1].max())

    assert capacity(secret.facts["digits"]) >= secret.facts["payload_bits"] == 272
    assert all(capacity(digits) < 272 for digits in range(secret.facts["digits"] + 1, 25))


@pytest.mark.parametrize("width", [4, 8, 16])
def test_tiny_encoders_hold_the_payload(width: int, new_encoder: Callable[..., Encoder], embed: Embed) -> None:
    original = new_encoder("tiny", width=width)
    marked, secret = embed("reversible", original)
    assert reversible.measure(marked, secret).statistic == 1.0
    assert state_bytes(reversible.restore(marked, secret)) == state_bytes(original)


def test_too_small_a_host_is_refused(new_encoder: Callable[..., Encoder], embed: Embed) -> None:
    with pytest.raises(PrunemarkError, match=r"272 bits do not fit into .* 576 weights hold \d+ "):
        embed("reversible", new_encoder("tiny", width=1))


def test_negative_zeros_come_back(encoder: Encoder, embed: Embed) -> None:
    original = copy.deepcopy(encoder)
    layer = largest_convolution(original, "reversible")[1]
    layer.weight.detach()[:, ::7] *= 0.0
    assert (layer.weight.signbit() & (layer.weight == 0)).any()
    marked, secret = embed("reversible", original)
    assert state_bytes(reversible.restore(marked, secret)) == state_bytes(original)


def test_values_off_the_grid_are_refused(encoder: Encoder, embed: Embed) -> None:
    original = copy.deepcopy(encoder)
    original.backbone.bn1.bias.detach()[:3] = 1e-9
    with pytest.raises(PrunemarkError, match=r"3 values are off the 2\^-24 grid"):
        embed("reversible", original)


@pytest.mark.parametrize("value", [1.0, -1.0, 1.5])
def test_host_weights_of_one_are_refused(value: float, encoder: Encoder, embed: Embed) -> None:
    original = copy.deepcopy(encoder)
    largest_convolution(original, "reversible")[1].weight.detach()[0, 0, 0, 0] = value
    with pytest.raises(PrunemarkError, match="of magnitude 1"):
        embed("reversible", snap(original))


@pytest.mark.parametrize("place", ["host", "outside"])
def test_one_grid_step_is_noticed_and_not_restored(place: str, marks: Marks) -> None:
    marked, secret = copy.deepcopy(marks("reversible")[0]), marks("reversible")[1]
    name = secret.facts["layer"] if place == "host" else "backbone.conv1"
    channel = int(secret.tensors["channels"][0]) if place == "host" else 0
    marked.state_dict()[f"{name}.weight"][channel, 0, 0, 0] += 2.0**-24
    assert reversible.measure(marked, secret).statistic == 0.0
    with pytest.raises(PrunemarkError, match="altered"):
        reversible.restore(marked, secret)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.5])
def test_pruning_is_noticed(rate: float, marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("reversible")
    assert reversible.measure(prune(marked, rate), secret).statistic == 0.0


def test_changed_tensors_are_named(marks: Marks) -> None:
    marked, secret = copy.deepcopy(marks("reversible")[0]), marks("reversible")[1]
    intact = reversible.measure(marked, secret)
    assert (intact.places, intact.details) == ((), {"changed_layers": 0.0, "layers": float(len(state(marked)))})
    marked.state_dict()["backbone.layer2.0.bn1.running_var"][0] += 2.0**-24
    marked.mean[0] += 2.0**-24
    altered = reversible.measure(marked, secret)
    assert altered.places == ("backbone.layer2.0.bn1.running_var", "mean")
    assert altered.details["changed_layers"] == 2


def test_tags_read_literally_are_keyed_hmacs_of_the_marked_tensors(encoder: Encoder, marks: Marks) -> None:
    marked, secret = marks("reversible")
    key, host = bytes.fromhex(secret.facts["key"]), f"{secret.facts['layer']}.weight"
    for name, tensor in state(marked).items():
        content = f"prunemark/reversible/tensor {name} {tensor.dtype} {tuple(tensor.shape)}\n".encode()
        content += tensor.contiguous().numpy().tobytes()
        assert secret.facts["tags"][name] == hmac.new(key, content, hashlib.sha256).hexdigest()[:16]
    assert reversible.measure(encoder, secret).places == (host,)


def test_every_tensor_counts_as_changed_under_another_key_or_where_it_is_gone(
    marks: Marks, new_encoder: Callable[..., Encoder]
) -> None:
    marked, secret = marks("reversible")
    wrong = reversible.measure(marked, reversible.impostor(secret, b"w" * 32))
    assert wrong.statistic == 0
    assert set(wrong.places) == set(state(marked))
    narrow = reversible.measure(new_encoder("narrow", width=4), secret)
    assert set(state(marked)) <= {*narrow.places, "mean", "std"}


def test_pruning_names_the_weights_it_changed(marks: Marks, prune: Callable[..., Encoder]) -> None:
    marked, secret = marks("reversible")
    pruned = prune(marked, 0.01)
    before, after = state(marked), state(pruned)
    differing = tuple(name for name in before if not torch.equal(before[name], after[name]))
    assert reversible.measure(pruned, secret).places == differing
