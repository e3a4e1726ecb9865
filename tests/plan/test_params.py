"""params.yaml: what is given is completed, and every fault is one line with the key, the value and what is allowed."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunemark import registry
from prunemark.errors import PrunemarkError
from prunemark.plan.params import CONTROLS, Params, canonical_rate
from prunemark.plan.params_file import read_params

ROOT = Path(__file__).resolve().parents[2]
GRID: dict[str, Any] = {
    "datasets": {"fashion-mnist-mini": {}},
    "downstream": [],
    "encoders": {"small": {"objective": "simclr", "architecture": "resnet18", "epochs": 2, "learning_rate": 0.1}},
    "seeds": [0, 1],
    "null_seeds": [1000],
    "watermarks": {"none": {}, "hidden": {"method": "reversible"}},
    "keys": 1,
    "checks": {"sha256": {}, "feature-digest": {}},
    "alterations": {},
    "pruners": {"magnitude": {}, "by-layer": {"method": "random", "scope": "layer"}},
    "structured": {},
    "rates": [0, 0.5],
    "head_images": 64,
    "utility_drop": 0.05,
    "threads": 1,
    "device": "cpu",
}
MISSING = object()


def changed(place: str, value: object) -> dict[str, Any]:
    """The grid with one value replaced, added or (`MISSING`) taken out; ``place`` is a path with slashes."""
    grid = copy.deepcopy(GRID)
    *folders, last = place.split("/")
    level = grid
    for folder in folders:
        level = level[folder]
    if value is MISSING:
        del level[last]
    else:
        level[last] = value
    return grid


def read(text: str | bytes, folder: Path) -> Params:
    path = folder / "params.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_params(path)


def failure(text: str | bytes, folder: Path) -> str:
    with pytest.raises(PrunemarkError) as caught:
        read(text, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder / 'params.yaml'}: ")
    return message.removeprefix(f"{folder / 'params.yaml'}: ")


@pytest.mark.parametrize("path", sorted(ROOT.glob("params*.yaml")), ids=lambda path: path.name)
def test_the_files_in_the_repository_are_valid(path: Path) -> None:
    params = read_params(path)
    for name, entry in params.every_pruner.items():
        rates = [rate for rate in sorted(params.rates if entry.rates is None else entry.rates) if rate > 0]
        assert params.rates_of(name) == [canonical_rate(rate) for rate in rates]
    for kind, axis in (
        ("datasets", params.datasets),
        ("pruners", params.pruners),
        ("watermarks", params.watermarks),
        ("checks", params.checks),
        ("alterations", params.alterations),
    ):
        for entry in axis.values():
            assert entry.method in registry.names(kind)
            assert entry.set.keys() == registry.constants(kind, entry.method)["SETTINGS"].keys()


def test_what_is_left_out_is_filled_in(tmp_path: Path) -> None:
    params = read(json.dumps(GRID), tmp_path)
    assert params.datasets["fashion-mnist-mini"].method == "fashion-mnist-mini"
    assert params.datasets["fashion-mnist-mini"].set == {"image_size": 28}
    assert params.encoders["small"].set == registry.constants("objectives", "simclr")["SETTINGS"]
    assert params.watermarks["hidden"].method == "reversible"
    assert params.checks["sha256"].keys == 1
    assert params.checks["feature-digest"].keys == 20
    assert params.pruners["by-layer"].scope == "layer"
    assert params.pruners["magnitude"].scope == "global"
    assert params.rates_of("magnitude") == ["0.5"]


def test_an_integer_is_a_number_but_a_settings_type_stays(tmp_path: Path) -> None:
    params = read(json.dumps(changed("encoders/small/set", {"temperature": 1})), tmp_path)
    assert params.encoders["small"].set == {"temperature": 1.0, "projection_dim": 128}
    assert type(params.encoders["small"].set["temperature"]) is float


UNFIT = [
    ("encoders/small/set", {"temperature": -1}, "objectives.simclr.temperature: -1 is not allowed", "0.001 or more"),
    ("watermarks/uchida", {"set": {"bits": -64}}, "watermarks.uchida.bits: -64 is not allowed", "20 or more"),
    ("rates", [0, 1e-320], "rates: 1e-320 is not allowed", "at most 10 decimals"),
    ("pruners", {"m" * 65: {"method": "magnitude"}}, f"pruners.{'m' * 65}: ", "at most 64 characters"),
    ("keys", 10**11, "keys: 100000000000 is not allowed", "less than or equal to 10000"),
    ("sead", [0], "sead: unknown key", "null_seeds, pruners, rates, seeds, structured, threads"),
    ("pruners/magnitude/scoope", "layer", "pruners.magnitude.scoope: unknown key", "rounds, scope, set"),
    ("encoders/small/lr", 0.1, "encoders.small.lr: unknown key", "learning_rate, momentum"),
    ("datasets/fashion-mnist-mini/path", "x", "datasets.fashion-mnist-mini.path: unknown key", "heldout, keypool"),
    ("datasets/fashion-mnst", {}, "datasets: 'fashion-mnst' is not one of", "fashion-mnist-mini"),
    ("encoders/small/objective", "simclear", "objectives: 'simclear' is not one of", "simclr"),
    ("encoders/small/architecture", "resnet19", "encoders: 'resnet19' is not one of", "resnet18, resnet34, resnet50"),
    ("watermarks/uchidda", {}, "watermarks: 'uchidda' is not one of", "uchida"),
    ("checks/md5", {}, "checks: 'md5' is not one of", "sha256"),
    ("pruners/magnitude/method", "magnetude", "pruners: 'magnetude' is not one of", "lamp, magnitude"),
    ("watermarks/sha256", {}, "watermarks: 'sha256' is not one of", "none"),
    ("checks/uchida", {}, "checks: 'uchida' is not one of", "feature-digest"),
    ("checks/none", {}, "checks: 'none' is not one of", "feature-digest"),
    ("checks/hidden", {"method": "sha256"}, "checks: 'hidden' is not allowed", "also the name of a watermark"),
    ("checks/sha256/on", [], "checks.sha256.on: [] is not allowed", "at least 1 item"),
    ("checks/sha256/on", ["none", "none"], "checks.sha256.on: none is not allowed twice", "each value once"),
    ("watermarks/wu", {"set": {"dropout": 1.0}}, "watermarks.wu.dropout: 1.0 is not allowed", "0.0 to 0.9"),
    ("watermarks/awencoder", {"set": {"epsilon": 200}}, "watermarks.awencoder.epsilon: 200 is not allowed", "1 to 127"),
    ("checks/sha256/keys", 20, "checks.sha256.keys: 20 is not allowed", "knows no keys"),
    ("checks/feature-digest/keys", 19, "checks.feature-digest.keys: 19 is not allowed", "greater than or equal to 20"),
    ("watermarks/untrained", {"method": "none"}, "watermarks: 'untrained' is not allowed", "the report uses this name"),
    ("watermarks/pixels", {"method": "none"}, "watermarks: 'pixels' is not allowed", "the report uses this name"),
    ("pruners/original", {"method": "random"}, "pruners: 'original' is not allowed", "the encoder at rate 0"),
    ("encoders/small/set", {"tau": 0.5}, "objectives.simclr.tau: unknown setting", "projection_dim, temperature"),
    ("pruners/magnitude/set", {"norm": 2}, "pruners.magnitude.norm: unknown setting", "none: it has no settings"),
    ("encoders/small/set", {"temperature": "0.5"}, "objectives.simclr.temperature: '0.5' is not allowed", "type float"),
    ("encoders/small/set", {"projection_dim": True}, "objectives.simclr.projection_dim: True is not", "type int"),
    ("datasets/x", {"method": "folder"}, "datasets.folder.path: missing", "no default"),
    ("threads", "4", "threads: '4' is not allowed", "a valid integer"),
    ("threads", True, "threads: True is not allowed", "a valid integer"),
    ("threads", 1.0, "threads: 1.0 is not allowed", "a valid integer"),
    ("threads", 0, "threads: 0 is not allowed", "greater than or equal to 1"),
    ("keys", 0, "keys: 0 is not allowed", "greater than or equal to 1"),
    ("encoders/small/epochs", True, "encoders.small.epochs: True is not allowed", "a valid integer"),
    ("encoders/small/learning_rate", "0.1", "encoders.small.learning_rate: '0.1' is not allowed", "a valid number"),
    ("encoders/small/learning_rate", 0, "encoders.small.learning_rate: 0 is not allowed", "greater than 0"),
    ("encoders/small/learning_rate", MISSING, "encoders.small.learning_rate: missing", "no default"),
    ("encoders/small/optimizer", "adam", "encoders.small.optimizer: 'adam' is not allowed", "'sgd' or 'lars'"),
    ("encoders/small/warmup_epochs", 2, "encoders.small.warmup_epochs: 2 is not allowed", "below epochs"),
    ("encoders/small/warmup_epochs", 3, "encoders.small.warmup_epochs: 3 is not allowed", "below epochs"),
    (
        "pruners/by-layer",
        {"method": "lamp", "scope": "2:4", "rates": [0.5, 0.3]},
        "pruners.by-layer (method lamp): rate 0.3 cannot be met",
        "2:4 reaches 0 and 0.5, nothing between",
    ),
    (
        "pruners/by-layer",
        {"method": "lamp", "scope": "2:4", "rates": [0.5], "rounds": 2},
        "pruners.by-layer.rounds: 2",
        "1,",
    ),
    ("pruners/magnitude/epochs", 2, "pruners.magnitude.epochs: 2 is not allowed", "only with recovery fine-tune"),
    ("pruners/magnitude/recovery", "tune", "pruners.magnitude.recovery: 'tune' is not allowed", "or 'fine-tune'"),
    ("pruners/magnitude/rates", [0.5, 0.5], "pruners.magnitude.rates: 0.5 is not allowed twice", "each value once"),
    ("structured/magnitude", {"method": "fpgm"}, "structured: 'magnitude' is not allowed", "the name of a pruner"),
    ("structured/lamp", {}, "structured: 'lamp' is not one of", "bn-scale, fpgm, l1-filter, l2-filter, random, taylor"),
    ("structured/fpgm", {"scope": "row"}, "structured.fpgm.scope: 'row' is not", "one of global, layer, isomorphic"),
    (
        "structured/fpgm",
        {"rates": [0.999]},
        "structured.fpgm: rate 0.999 cannot be met",
        "reachable: 0 to 0.9843, on encoder small",
    ),
    (
        "structured/taylor",
        {"rates": [0.999]},
        "structured.taylor: rate 0.999 cannot be met: it would empty a layer",
        "reachable: 0 to 0.9953",
    ),
    ("downstream", ["cifar"], "downstream: 'cifar' is not one of the datasets", "fashion-mnist-mini"),
    ("datasets/fashion-mnist-mini/pretrain", False, "datasets: no pretrain is not allowed", "at least one"),
    (
        "datasets/fashion-mnist",
        {"pretrain": False},
        "datasets.fashion-mnist.pretrain: false is not allowed",
        "not in downstream",
    ),
    ("device", "gpu", "device: 'gpu' is not allowed", "'auto', 'cpu' or 'cuda'"),
    ("null_seeds", MISSING, "null_seeds: missing", "no default"),
    (
        "pruners/magnitude/scope",
        "locl",
        "pruners.magnitude.scope: 'locl' is not allowed",
        "one of global, layer, row, 2:4, 4:8",
    ),
    ("pruners/magnitude", None, "pruners.magnitude: None is not allowed", "a valid dictionary"),
    ("pruners/By Layer", {"method": "random"}, "pruners.By Layer: 'By Layer' is not allowed", "[a-z0-9]"),
    ("pruners/..", {"method": "random"}, "pruners...: '..' is not allowed", "[a-z0-9]"),
    ("rates", [0.3, 1.2], "rates.1: 1.2 is not allowed", "less than 1"),
    ("rates", [-0.1], "rates.0: -0.1 is not allowed", "greater than or equal to 0"),
    ("rates", [1.0], "rates.0: 1.0 is not allowed", "less than 1"),
    ("rates", ["0.3"], "rates.0: '0.3' is not allowed", "a valid number"),
    ("rates", [True], "rates.0: True is not allowed", "a valid number"),
    ("seeds", 0, "seeds: 0 is not allowed", "a valid list"),
    ("seeds", [-1], "seeds.0: -1 is not allowed", "greater than or equal to 0"),
    ("seeds", [2**31], "seeds.0: 2147483648 is not allowed", "less than 2147483648"),
    ("seeds", [3, 4, 3], "seeds: 3 is not allowed twice", "each value once"),
    ("null_seeds", [5, 5], "null_seeds: 5 is not allowed twice", "each value once"),
    ("null_seeds", [1], "null_seeds: 1 is not allowed", "also in seeds"),
    ("seeds", [], "seeds: empty is not allowed", "at least one entry"),
    ("datasets", {}, "datasets: empty is not allowed", "at least one entry"),
    ("alterations", {"noize": {"strengths": [1]}}, "alterations: 'noize' is not one of", "noise, overwrite, permute"),
    ("alterations", {"noise": {}}, "alterations.noise.strengths: missing", "no default"),
    ("alterations", {"noise": {"strengths": []}}, "alterations.noise.strengths: [] is not allowed", "at least 1 item"),
    ("alterations", {"noise": {"strengths": [True]}}, "alterations.noise.strengths.0: True is not allowed", "number"),
    ("alterations", {"noise": {"strengths": 1}}, "alterations.noise.strengths: 1 is not allowed", "a valid list"),
    (
        "alterations",
        {"noise": {"strengths": [0.1, 0]}},
        "alterations.noise: strength 0 is not allowed",
        "0.000001 to 10",
    ),
    ("alterations", {"noise": {"strengths": [11]}}, "alterations.noise: strength 11 is not allowed", "0.000001 to 10"),
    (
        "alterations",
        {"noise": {"strengths": [0.1, 0.10]}},
        "alterations.noise.strengths: 0.1 is not allowed twice",
        "once",
    ),
    (
        "alterations",
        {"noise": {"strengths": [0.12345678901]}},
        "alterations.noise.strengths: 0.1234",
        "at most 10 decimals",
    ),
    (
        "alterations",
        {"noise": {"strengths": [1], "sets": {}}},
        "alterations.noise.sets: unknown key",
        "method, set, strengths",
    ),
    ("alterations", {"noise": {"strengths": [1], "set": {"a": 1}}}, "alterations.noise.a: unknown setting", "none"),
    (
        "alterations",
        {"quantise": {"strengths": [8, 9]}},
        "alterations.quantise: strength 9 is not allowed",
        "from 2 to 8",
    ),
    (
        "alterations",
        {"quantise": {"strengths": [4.5]}},
        "alterations.quantise: strength 4.5 is not allowed",
        "a whole number",
    ),
    (
        "alterations",
        {"fine": {"method": "fine-tune", "strengths": [0.5]}},
        "alterations.fine-tune: strength 0.5",
        "epochs",
    ),
    ("alterations", {"half": {"strengths": [2]}}, "alterations.half: strength 2 is not allowed", "no degrees: 1"),
    (
        "alterations",
        {"magnitude": {"method": "noise", "strengths": [1]}},
        "alterations: 'magnitude' is not allowed",
        "name of a pruner",
    ),
    (
        "alterations",
        {"original": {"method": "noise", "strengths": [1]}},
        "alterations: 'original' is not allowed",
        "at rate 0",
    ),
    (
        "alterations",
        {"again": {"method": "overwrite", "strengths": [1], "set": {"scheme": "none"}}},
        "alterations.overwrite.scheme: 'none' is not allowed",
        "one of armssl, ",
    ),
    ("alterations", [], "alterations: [] is not allowed", "a valid dictionary"),
]


@pytest.mark.parametrize(("place", "value", "fault", "allowed"), UNFIT)
def test_a_fault_is_one_line(place: str, value: object, fault: str, allowed: str, tmp_path: Path) -> None:
    message = failure(json.dumps(changed(place, value)), tmp_path)
    assert message.startswith(fault)
    assert allowed in message.removeprefix(fault)


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
def test_rates_are_finite(number: str, tmp_path: Path) -> None:
    text = json.dumps(GRID).replace('"rates": [0, 0.5]', f'"rates": [0, {number}]')
    assert failure(text, tmp_path).startswith(f"rates.1: {float(number.replace('.', ''))} is not allowed: ")


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
def test_strengths_are_finite(number: str, tmp_path: Path) -> None:
    text = json.dumps(changed("alterations", {"noise": {"strengths": [1]}})).replace(
        '"strengths": [1]', f'"strengths": [{number}]'
    )
    assert failure(text, tmp_path).startswith(
        f"alterations.noise: strength {float(number.replace('.', '')):g} is not allowed: "
    )


def test_strengths_have_one_text_and_keep_their_order(tmp_path: Path) -> None:
    entry = {"rough": {"method": "quantise", "strengths": [8, 6.0, 4]}, "noise": {"strengths": [0.10, 1e-3, 10.0]}}
    found = read(json.dumps(changed("alterations", entry)), tmp_path).alterations
    assert found["rough"].texts() == ["8", "6", "4"]
    assert found["noise"].texts() == ["0.1", "0.001", "10"]
    assert read(json.dumps(GRID), tmp_path).alterations == {}


def test_one_rate_written_in_two_ways_is_a_duplicate(tmp_path: Path) -> None:
    text = json.dumps(GRID).replace('"rates": [0, 0.5]', '"rates": [0.3, 0.5, 0.30]')
    assert failure(text, tmp_path) == "rates: 0.3 is not allowed twice: each value once"


def test_a_key_given_twice(tmp_path: Path) -> None:
    text = json.dumps(GRID, indent=1)
    assert failure(text[:-2] + ',\n "seeds": [7]}', tmp_path).startswith('not YAML: found duplicate key "seeds"')
    twice = text.replace('"magnitude": {}', '"magnitude": {}, "magnitude": {}')
    assert failure(twice, tmp_path).startswith('not YAML: found duplicate key "magnitude"')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "NoneType found: a mapping with the keys datasets, downstream, "),
        ("# nothing\n", "NoneType found: a mapping with the keys datasets, downstream, "),
        ("- 1\n", "list found: a mapping with the keys datasets, downstream, "),
        ("seeds", "str found: a mapping with the keys datasets, downstream, "),
        ("seeds: [0", "not YAML: "),
        ("seeds: [0]\n---\nseeds: [1]\n", "not YAML: "),
        ("seeds: !!python/object/apply:os.getcwd []\n", "not YAML: "),
        ("seeds: *unknown\n", "not YAML: "),
        ("? {a: b}\n: 1\n", "not YAML: "),
        ("seeds: [0]\x00\n", "not YAML: "),
        (b"seeds: \xff\xfe\n", "not YAML: "),
        ("seeds: 2001-99-99\n", "not YAML: month must be in 1..12"),
        ("seeds: !!int abc\n", "not YAML: invalid literal for int() with base 10: 'abc'"),
        ("seeds: !!bool abc\n", "not YAML: 'abc'"),
        pytest.param(f"seeds: {'1' * 5000}\n", "not YAML: Exceeds the limit", id="a number of 5,000 digits"),
        pytest.param(f"seeds: {'[' * 3000}{']' * 3000}\n", "not YAML that can be read: nested", id="3,000 brackets"),
    ],
)
def test_what_is_not_a_mapping_in_yaml(text: str | bytes, fault: str, tmp_path: Path) -> None:
    assert failure(text, tmp_path).startswith(fault)


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(PrunemarkError) as caught:
            read_params(path)
        assert str(caught.value) == f"{path}: no such file"


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_no_watermarks(name: str) -> None:
    assert name not in registry.names("watermarks")


def test_the_canonical_text_of_a_rate() -> None:
    written = {0.30: "0.3", 1e-7: "0.0000001", 0.95: "0.95", 0.5: "0.5", 0.999: "0.999", 1 / 3: "0.3333333333333333"}
    assert {rate: canonical_rate(rate) for rate in written} == written


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_the_text_of_a_rate_gives_the_rate_again(rate: float) -> None:
    text = canonical_rate(rate)
    assert float(text) == rate
    assert text.startswith("0.")
    assert set(text) <= set("0123456789.")
    assert not text.endswith("0")
    assert canonical_rate(float(text)) == text
    assert canonical_rate(float(Decimal(text) * 10 / 10)) == text


def test_rates_ascend_and_the_original_is_none_of_them(tmp_path: Path) -> None:
    params = read(json.dumps(changed("rates", [0.95, 0, 0.1, 0.5, 1e-7])), tmp_path)
    assert params.rates_of("magnitude") == ["0.0000001", "0.1", "0.5", "0.95"]


@pytest.mark.parametrize("spelling", ["comments", "indentation", "quotes", "zeros"])
def test_the_spelling_of_a_file_is_no_part_of_its_digest(spelling: str, tmp_path: Path) -> None:
    text = json.dumps(GRID, indent=1)
    other = {
        "comments": "# yaml-language-server: $schema=docs/schemas/params.json\n"
        + text.replace(",\n", ", # a comment\n"),
        "indentation": json.dumps(GRID),
        "quotes": re.sub(r'"([a-z-]+)"', r"'\1'", text),
        "zeros": text.replace("0.5", "0.500"),
    }[spelling]
    assert other != text
    assert read(other, tmp_path).digest() == read(text, tmp_path).digest()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("rates", [0, 0.6]),
        ("seeds", [1, 0]),
        ("threads", 2),
        ("threads", MISSING),
        ("encoders/small/set", {"temperature": 0.1}),
        ("pruners/magnitude", {"method": "magnitude"}),
        ("pruners", dict(reversed(GRID["pruners"].items()))),
    ],
)
def test_a_value_a_key_and_an_order_are_parts_of_the_digest(place: str, value: object, tmp_path: Path) -> None:
    digest = read(json.dumps(GRID), tmp_path).digest()
    assert read(json.dumps(changed(place, value)), tmp_path).digest() != digest


def test_the_digest_is_that_of_the_compact_content(tmp_path: Path) -> None:
    text = json.dumps(GRID, separators=(",", ":"))
    assert read(json.dumps(GRID, indent=3), tmp_path).digest() == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("schema", [1, 2])
def test_a_key_of_a_later_release_changes_no_digest(schema: int) -> None:
    class Later(Params):
        threads: int = 4
        patience: int = 3

    given = GRID | {"threads": 1}
    assert Later.model_validate(given).patience == 3
    assert Later.model_validate(given).digest(schema) == Params.model_validate(given).digest(schema)


DEFAULTS = {
    "downstream": [],
    "keys": 1,
    "checks": {},
    "structured": {},
    "alterations": {},
    "head_images": 1000,
    "utility_drop": 0.05,
    "threads": 1,
    "device": "auto",
}


def test_a_key_that_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    needed = {key: value for key, value in GRID.items() if key not in DEFAULTS}
    params = read(json.dumps(needed), tmp_path)
    assert params.model_dump() == read(json.dumps(needed | DEFAULTS), tmp_path).model_dump()
    for key in needed:
        left = {name: value for name, value in needed.items() if name != key}
        assert failure(json.dumps(left), tmp_path) == f"{key}: missing, and it has no default"


def test_reading_params_imports_no_torch() -> None:
    code = f"import sys; from pathlib import Path; from prunemark.plan.params_file import read_params; \
read_params(Path({str(ROOT / 'params.yaml')!r})); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_snakemake_stops_at_a_bad_file_before_it_writes_anything(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Snakefile", tmp_path)
    for folder in ("workflow", "profiles"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "params.yaml").write_text(json.dumps(changed("pruners/magnitude/scoope", "layer")))
    before = sorted(tmp_path.rglob("*"))
    scripts = Path(sys.executable).parent
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE_")}
    done = subprocess.run(
        ["snakemake", "-n"],
        cwd=tmp_path,
        env=inherited | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    greeting, line = done.stderr.splitlines()
    assert greeting.startswith("Using workflow specific profile profiles/default")
    assert line == (
        "prunemark: params.yaml: pruners.magnitude.scoope: unknown key; allowed: epochs, learning_rate, method, "
        "rates, recovery, rounds, scope, set"
    )
    assert sorted(tmp_path.rglob("*")) == before
