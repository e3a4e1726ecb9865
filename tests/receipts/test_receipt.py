"""The receipt: what has meaning, in bytes that a rerun gives again, written last; the rest in the journal."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prunemark
from prunemark.disk.files import canonical_json, read_json, sha256_file
from prunemark.errors import PrunemarkError
from prunemark.formats.journal import Measured, journal_path
from prunemark.formats.receipt import flags
from prunemark.formats.written import Written, write
from prunemark.receipts import recorder as record
from prunemark.receipts.meaning import identity
from prunemark.receipts.recorder import NOT_CODE, Recorder, git_state, loaded_code, source_name

OUT = Path("data/encoders/a/b/0")
RECEIPT, ENTRY = OUT / "receipt.json", Path("data/journal/encoders/a/b/0.json")
PARAMETERS = {"set": {"b": 0.5, "a": 1}, "null": ["x", "y z"], "seed": 3, "out": OUT.as_posix()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("data/raw/a").mkdir(parents=True)
    Path("data/raw/a/input").write_bytes(b"images")
    return tmp_path


def run(content: bytes = b"weights", pause: float = 0) -> None:
    recorder = Recorder("train", OUT, PARAMETERS, seed=3)
    recorder.reads(Path("data/raw/a/input"))
    recorder.reads_as("source.zip", "0" * 64)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "encoder").write_bytes(content)
    time.sleep(pause)
    recorder.measured = Measured(scheme_seconds=time.time())
    recorder.wrote("encoder")
    recorder.finish()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_the_receipt_holds(here: Path) -> None:
    run()
    receipt = read_json(RECEIPT)
    code = receipt.pop("code")
    assert receipt == {
        "schema": 2,
        "stage": "train",
        "command": "prunemark train --null x --null 'y z' --out data/encoders/a/b/0 --seed 3 --set a=1 --set b=0.5",
        "parameters": PARAMETERS,
        "seed": 3,
        "inputs": {"data/raw/a/input": sha256(b"images"), "source.zip": "0" * 64},
        "outputs": {"data/encoders/a/b/0/encoder": sha256(b"weights")},
    }
    package = Path(prunemark.__file__).parent
    assert "src/prunemark/receipts/recorder.py" in code
    for name, found in code.items():
        assert found == identity(name, (package.parents[1] / name).read_bytes())
    in_bytes = read_json(ENTRY)["code"]
    assert set(code) <= set(in_bytes)
    for name, found in in_bytes.items():
        assert found == sha256((package.parents[1] / name).read_bytes())
    assert RECEIPT.read_text() == canonical_json({**receipt, "code": code})


def test_a_rerun_gives_the_same_receipt_and_another_journal(here: Path) -> None:
    run()
    receipt, entry = RECEIPT.read_bytes(), read_json(ENTRY)
    run(pause=0.01)
    assert RECEIPT.read_bytes() == receipt
    assert read_json(ENTRY) != entry
    assert read_json(ENTRY).keys() == entry.keys()
    run(b"other weights")
    assert RECEIPT.read_bytes() != receipt


def test_the_journal_holds_what_varies(here: Path) -> None:
    run(pause=0.01)
    entry = read_json(ENTRY)
    assert entry["receipt"] == RECEIPT.as_posix()
    assert 0.01 <= entry["seconds"] < 60
    assert entry["measured"] == {"scheme_seconds": pytest.approx(time.time(), abs=60)}
    assert entry["peak_memory_bytes"] > 10e6
    assert entry["versions"].keys() == set(record.PACKAGES)
    assert entry["python"] == ".".join(map(str, sys.version_info[:3]))
    assert entry["cpu"]
    assert entry["cpu_capability"]
    assert (entry["commit"], entry["code_differs_from_commit"]) == (None, None)


def test_an_old_receipt_goes_before_anything_is_done(here: Path) -> None:
    run()
    Recorder("train", OUT, PARAMETERS)
    assert not RECEIPT.exists()
    assert (OUT / "encoder").exists()


def test_the_receipt_comes_last(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def stop_at_receipt(path: Path, content: Written) -> None:
        written.append(path)
        if path.name == "receipt.json":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(record, "write", stop_at_receipt)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert written == [ENTRY, RECEIPT]
    assert ENTRY.exists()
    assert not RECEIPT.exists()


def test_an_output_that_was_not_written_leaves_no_receipt(here: Path) -> None:
    run()
    recorder = Recorder("train", OUT, PARAMETERS)
    with pytest.raises(FileNotFoundError):
        recorder.wrote("absent")
    assert not RECEIPT.exists()


def test_an_input_that_is_not_there_is_one_line(here: Path) -> None:
    with pytest.raises(PrunemarkError) as caught:
        Recorder("train", OUT, PARAMETERS).reads(Path("data/raw/a/input"), Path("data/raw/a/absent"))
    assert str(caught.value) == "data/raw/a/absent: no such file"


def test_hashes_are_those_of_sha256(tmp_path: Path) -> None:
    for content in (b"", b"abc", bytes(3_000_000)):
        (tmp_path / "file").write_bytes(content)
        assert sha256_file(tmp_path / "file") == sha256(content)


names = st.text("abcdefgh-", min_size=1).filter(lambda name: not name.startswith("-") and name != "set")
scalars = st.integers() | st.floats(allow_nan=False) | st.text(min_size=1)
parameters = st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=5)
method_settings = st.dictionaries(st.text("abc_", min_size=1), scalars, max_size=3)


@given(parameters, method_settings)
def test_flags_come_apart_again(given_parameters: dict[str, Any], chosen: dict[str, Any]) -> None:
    words = shlex.split(flags({**given_parameters, "set": chosen}))
    assert len(words) % 2 == 0
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert all(name.startswith("--") for name, _ in pairs)
    for name, value in given_parameters.items():
        items = value if isinstance(value, list) else [value]
        assert [text for option, text in pairs if option == f"--{name}"] == [str(item) for item in items]
    found = dict(text.split("=", 1) for option, text in pairs if option == "--set")
    assert found == {key: str(item) for key, item in chosen.items()}
    again = dict(reversed(given_parameters.items()))
    assert flags({"set": dict(reversed(chosen.items())), **again}) == flags({**given_parameters, "set": chosen})


def test_flags_leave_out_what_is_empty_and_keep_zero() -> None:
    assert flags({"a": None, "b": "", "c": [], "set": {}, "d": 0, "e": False, "f": 0.0}) == "--d 0 --e False --f 0.0"


def test_loaded_code_is_what_a_process_imported() -> None:
    code = (
        "import json, sys; import prunemark.commands.command_line, prunemark.plan.params, prunemark.model.encoder; import prunemark.methods.objectives.simclr; "
        "from prunemark.receipts.recorder import loaded_code; print(json.dumps([str(path) for path in loaded_code()]))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    package = Path(prunemark.__file__).resolve().parent
    found = [Path(path).relative_to(package).as_posix() for path in json.loads(printed)]
    expected = ["__init__", "disk/__init__", "disk/files", "disk/git", "errors",
                "formats/__init__", "formats/journal", "formats/receipt", "formats/written", "methods/__init__",
                "methods/objectives/__init__", "methods/objectives/_views", "methods/objectives/simclr", "model/__init__",
                "model/activations", "model/encoder", "model/randomness", "receipts/__init__", "receipts/identities",
                "receipts/meaning", "receipts/recorder", "registry"]  # fmt: skip
    assert found == [f"{name}.py" for name in expected]


def test_loaded_code_of_this_process_lies_in_the_package() -> None:
    package = Path(prunemark.__file__).resolve().parent
    found = loaded_code()
    assert found == sorted(set(found))
    assert package / "receipts/recorder.py" in found
    for path in found:
        assert path.is_file()
        module = ".".join(("prunemark", *path.relative_to(package).with_suffix("").parts))
        assert not module.startswith(NOT_CODE)


def test_sources_are_named_as_in_the_repository(tmp_path: Path) -> None:
    package = Path(prunemark.__file__).resolve().parent
    assert (
        source_name(package / "methods/pruners/random.py", package.parents[1])
        == "src/prunemark/methods/pruners/random.py"
    )
    assert source_name(package / "methods/pruners/random.py", tmp_path) == "src/prunemark/methods/pruners/random.py"


def test_journal_entries_lie_beside_the_data() -> None:
    assert journal_path(Path("data/raw/x")) == Path("data/journal/raw/x.json")
    assert journal_path(Path("data/pruned/a/b/0/0.5")) == Path("data/journal/pruned/a/b/0/0.5.json")
    assert journal_path(Path("data/report")) == Path("data/journal/report.json")


def test_the_commit_and_whether_code_differs_from_it(here: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=prunemark", "-c", "user.email=prunemark@example.org")
        return subprocess.run(["git", *identity, *arguments], capture_output=True, text=True, check=True).stdout

    for name in ("a.py", "b.py"):
        Path(name).write_text("1\n")
    git("init", "-q")
    Path(".gitignore").write_text("ignored.py\n")
    git("add", "-A")
    git("commit", "-qm", "code")
    commit = git("rev-parse", "HEAD").strip()
    assert git_state(["a.py", "b.py"]) == (commit, False)
    Path("b.py").write_text("2\n")
    assert git_state(["a.py"]) == (commit, False)
    assert git_state(["a.py", "b.py"]) == (commit, True)
    git("add", "b.py")
    assert git_state(["b.py"]) == (commit, True)
    for name in ("new.py", "ignored.py"):
        Path(name).write_text("3\n")
        assert git_state(["a.py", name]) == (commit, True)
