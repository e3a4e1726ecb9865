"""`prunemark verify`, `authenticate` and `restore` by hand, as commands on files."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prunemark import registry
from prunemark.commands.command_line import run
from prunemark.disk.tensors import read_encoder, write_encoder, write_tensors
from prunemark.marking.contract import Images, Nulls, Secret
from prunemark.metrics.head import Head, fit_head
from prunemark.model.encoder import Architecture, Encoder, features, snap
from prunemark.model.randomness import draw_parameters, generator
from prunemark.pruning.channel_groups import groups, shrink
from prunemark.stages.key_files import Key, KeyFile, write_keys

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def pool() -> Images:
    drawn = torch.randint(0, 256, (96, 4, 4, 3), generator=generator("verdict"), dtype=torch.uint8)
    images = drawn.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return Images(images, images)


def new_encoder(width: int = 8) -> Encoder:
    encoder = draw_parameters(Encoder(Architecture("resnet18", width, 16)), generator("verdict", width))
    return snap(encoder.eval())


def head_of(encoder: Encoder, images: Tensor) -> dict[str, Tensor]:
    return fit_head(features(encoder, images), images.float().mean((1, 2)).argmax(1), 3).tensors()


@pytest.fixture(scope="module")
def folder(pool: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Marked encoders with key files: uchida (robust), reversible, and two checks of which one sees labels."""
    root, clean = tmp_path_factory.mktemp("verdict"), new_encoder()
    write_encoder(root / "clean.safetensors", clean)
    write_tensors(root / "head.safetensors", head_of(clean, pool.train))
    for name in ("uchida", "reversible"):
        scheme, given = registry.load("watermarks", name), registry.complete("watermarks", name, {})
        marked, secret = scheme.embed(clean, KEY, pool, generator("verdict mark"), **given)
        write_encoder(root / f"{name}.safetensors", marked)
        write_keys(root / f"{name}.key", keys("watermarks", name, marked, secret))
    scheme = registry.load("checks", "feature-digest")
    given = registry.complete("checks", "feature-digest", {})
    secret = scheme.register(clean, None, KEY, pool, generator("verdict mark"), **given)
    write_keys(root / "digest.key", keys("checks", "feature-digest", clean, secret))
    scheme, head = registry.load("checks", "fingerprint-twins"), head_of(clean, pool.train)
    given = registry.complete("checks", "fingerprint-twins", {"pairs": 8})
    secret = scheme.register(clean, Head(**head).logits, KEY, pool, generator("verdict mark"), **given)
    through = hashlib.sha256((root / "head.safetensors").read_bytes()).hexdigest()
    write_keys(root / "twins.key", replace(keys("checks", "fingerprint-twins", clean, secret), head=through))
    write_tensors(root / "other.safetensors", head | {"bias": head["bias"] + 1})
    write_tensors(root / "flat.safetensors", head | {"std": head["std"] * 0})
    return root


def keys(kind: str, method: str, encoder: Encoder, secret: Secret) -> KeyFile:
    threshold = registry.load(kind, method).calibrate(Nulls([], [], [0.0]), secret).value
    return KeyFile(kind, method, encoder.spec, [Key(secret, threshold)])


def ask(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["prunemark", *map(str, arguments)])
    return run()


def test_a_mark_is_verified(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("verify", "--key", folder / "uchida.key", "--encoder")
    assert ask(monkeypatch, *at, folder / "uchida.safetensors") == 0
    said = capsys.readouterr().out
    commitment = hashlib.sha256((folder / "uchida.key").read_bytes()).hexdigest()
    assert said.splitlines()[0] == f"scheme uchida (robust, sees weights), commitment {commitment}"
    assert "statistic 64 of 64, threshold 51, p-value 5.42e-20, host_sparsity 0: mine" in said
    assert said.splitlines()[-1] == "verdict: mine (1 of 1 keys)"
    assert ask(monkeypatch, *at, folder / "clean.safetensors") == 1
    assert "verdict: not shown to be mine (0 of 1 keys)" in capsys.readouterr().out


@pytest.mark.parametrize(("suspect", "expected"), [("uchida", 0), ("clean", 1)])
def test_the_verdict_is_the_same_where_nobody_reads_it(folder: Path, suspect: str, expected: int) -> None:
    read, write = os.pipe()
    os.close(read)
    at = ("--key", str(folder / "uchida.key"), "--encoder", str(folder / f"{suspect}.safetensors"))
    done = subprocess.run([sys.executable, "-m", "prunemark", "verify", *at], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (expected, b"")


@pytest.mark.parametrize(("key", "intact"), [("reversible", "reversible"), ("digest", "clean")])
def test_the_released_encoder_is_authenticated(
    key: str, intact: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("authenticate", "--key", folder / f"{key}.key", "--encoder")
    assert ask(monkeypatch, *at, folder / f"{intact}.safetensors") == 0
    assert "verdict: intact (1 of 1 keys)" in capsys.readouterr().out
    assert ask(monkeypatch, *at, folder / "uchida.safetensors") == 1
    assert "verdict: altered (0 of 1 keys)" in capsys.readouterr().out


def without_channels(encoder: Encoder) -> Encoder:
    found = groups(encoder)
    kept = {group.name: torch.arange(group.size) >= group.size // 2 for group in found}
    return shrink(encoder, found, kept)


def test_a_suspect_without_some_channels_gets_an_answer(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what answers queries an ordinary one; of its weights, that it is not what was released, or where to go on."""
    suspect = tmp_path / "small.safetensors"
    write_encoder(suspect, without_channels(read_encoder(folder / "reversible.safetensors")))
    for key in ("reversible", "digest"):
        assert ask(monkeypatch, "authenticate", "--key", folder / f"{key}.key", "--encoder", suspect) == 1
        assert capsys.readouterr().out.splitlines()[-1] == "verdict: altered (0 of 1 keys)"
    assert ask(monkeypatch, "verify", "--key", folder / "uchida.key", "--encoder", suspect) == 2
    said = f"prunemark: {suspect}: channels were removed, and uchida reads all; see prunemark export\n"
    assert capsys.readouterr().err == said
    out = tmp_path / "restored.safetensors"
    at = ("restore", "--key", folder / "reversible.key", "--out", out, "--encoder", suspect)
    assert ask(monkeypatch, *at) == 2
    assert capsys.readouterr().err == f"prunemark: {suspect}: altered after embedding: channels were removed\n"
    assert not out.exists()


@pytest.mark.parametrize("fields", [{"output_layer": True}, {"activation_bits": 8}], ids=str)
def test_a_suspect_to_which_something_was_added_gets_an_answer(
    fields: dict[str, Any], folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Its weights are those that were marked, and it is not what was released."""
    suspect = tmp_path / "added.safetensors"
    for marked, command, key, status in (
        ("uchida", "verify", "uchida", 0),
        ("reversible", "authenticate", "reversible", 1),
        ("clean", "authenticate", "digest", 1),
    ):
        released = read_encoder(folder / f"{marked}.safetensors")
        altered = Encoder(replace(released.spec, **fields)).eval()
        altered.load_state_dict(released.state_dict(), strict=False)
        write_encoder(suspect, altered)
        assert ask(monkeypatch, command, "--key", folder / f"{key}.key", "--encoder", suspect) == status
        capsys.readouterr()
    write_encoder(suspect, altered)
    at = ("restore", "--key", folder / "reversible.key", "--out", tmp_path / "restored.safetensors", "--encoder")
    assert ask(monkeypatch, *at, suspect) == 2
    assert "the encoder was altered after embedding" in capsys.readouterr().err


def test_a_reversible_mark_is_undone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("restore", "--key", folder / "reversible.key", "--out", tmp_path / "restored.safetensors", "--encoder")
    assert ask(monkeypatch, *at, folder / "reversible.safetensors") == 0
    assert (tmp_path / "restored.safetensors").read_bytes() == (folder / "clean.safetensors").read_bytes()
    (tmp_path / "restored.safetensors").unlink()
    assert ask(monkeypatch, *at, folder / "uchida.safetensors") == 2
    assert "altered after embedding" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def broken(folder: Path, tmp_path: Path, how: str) -> Path:
    path = tmp_path / "suspect.safetensors"
    if how == "no encoder":
        path.write_bytes(b"GIF89a")
    elif how == "a key file":
        path.write_bytes((folder / "uchida.key").read_bytes())
    elif how == "another architecture":
        write_encoder(path, new_encoder(16))
    elif how == "NaN":
        encoder = new_encoder()
        encoder.backbone.conv1.weight.detach()[0, 0, 0, :2] = float("nan")
        write_encoder(path, encoder)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "no such file"),
        ("no encoder", "not a safetensors file of prunemark"),
        ("a key file", "format 'key/1'; allowed: 'encoder/1'"),
        ("another architecture", "'width': 16, 'image_size': 16}; allowed: {'architecture': 'resnet18', 'width': 8"),
        ("NaN", "backbone.conv1.weight holds 2 values that are not finite; allowed: 0"),
    ],
)
@pytest.mark.parametrize(("command", "key"), [("verify", "uchida"), ("authenticate", "digest")])
def test_what_is_no_such_encoder_is_refused(
    command: str, key: str, how: str, said: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    suspect = broken(folder, tmp_path, how)
    assert ask(monkeypatch, command, "--key", folder / f"{key}.key", "--encoder", suspect) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("authenticate", "--key", "uchida.key"), "uchida, is not for authenticate; use verify"),
        (("verify", "--key", "reversible.key"), "reversible, is not for verify; use authenticate"),
        (("verify", "--key", "clean.safetensors"), "format 'encoder/1'; allowed: 'key/1'"),
        (("verify", "--key", "uchida.key", "--commitment", "00"), "is not the one committed to, 00"),
        (("restore", "--key", "uchida.key", "--out", "x.safetensors"), "uchida is robust; allowed: a reversible one"),
    ],
)
def test_what_does_not_fit_the_question_is_refused(
    arguments: tuple[str, ...], said: str, folder: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    assert ask(monkeypatch, *arguments, "--encoder", "uchida.safetensors") == 2
    assert said in capsys.readouterr().err
    assert not Path("x.safetensors").exists()


def test_a_check_of_labels_asks_through_the_head_it_was_registered_through(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    at = ("authenticate", "--key", "twins.key", "--encoder", "clean.safetensors")
    assert ask(monkeypatch, *at, "--head", "head.safetensors") == 0
    head = hashlib.sha256(Path("head.safetensors").read_bytes()).hexdigest()
    assert f"sees labels, through head {head}" in capsys.readouterr().out
    for arguments, said in (
        ((), "--head: missing"),
        (("--head", "other.safetensors"), f"not the head that the check was registered through, sha256 {head}"),
        (("--head", "flat.safetensors"), "every std above 0"),
        (("--head", "clean.safetensors"), "no head for 64 features"),
    ):
        assert ask(monkeypatch, *at, *arguments) == 2
        assert said in capsys.readouterr().err


def rewrite(path: Path, out: Path, **fields: object) -> Path:
    """A copy of a file of prunemark with other fields in its header."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    outer = json.loads(content[8 : 8 + size])
    outer["__metadata__"] = {"prunemark": json.dumps(json.loads(outer["__metadata__"]["prunemark"]) | fields)}
    header = json.dumps(outer).encode()
    out.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    return out


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"thresholds": [float("nan")]}, "threshold nan"),
        ({"thresholds": ["51"]}, "threshold '51'"),
        ({"kind": "pruners", "method": "magnitude"}, "kind 'pruners'"),
        ({"method": "none-such"}, "method 'none-such'"),
        ({"facts": [{}]}, "key 0 is not whole"),
        ({"facts": ["x"]}, "not a key file"),
        ({"facts": [], "thresholds": []}, "holds no key"),
    ],
)
def test_a_damaged_key_file_is_no_verdict(
    fields: dict[str, object], said: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    key = rewrite(folder / "uchida.key", tmp_path / "key.safetensors", **fields)
    assert ask(monkeypatch, "verify", "--key", key, "--encoder", folder / "uchida.safetensors") == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert said in error


@pytest.mark.parametrize("width", [-3, 0, 10**5, 10**30, True, "8"])
def test_a_forged_width_is_refused_before_anything_is_built(
    width: object, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suspect = rewrite(folder / "uchida.safetensors", tmp_path / "suspect.safetensors", width=width)
    assert ask(monkeypatch, "verify", "--key", folder / "uchida.key", "--encoder", suspect) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("out", ["clean.safetensors", ".", "no/such/folder.safetensors", "x" * 300, "/dev/null/x"])
def test_nothing_is_restored_onto_what_is_there_or_cannot_be(
    out: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert (
        ask(monkeypatch, "restore", "--key", "reversible.key", "--encoder", "reversible.safetensors", "--out", out) == 2
    )
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_crash_is_no_verdict(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> bool:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("prunemark.stages.verdict.judge", crash)
    assert ask(monkeypatch, "verify", "--key", folder / "uchida.key", "--encoder", folder / "clean.safetensors") == 2
