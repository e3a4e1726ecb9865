"""One way to tamper, one break: the verifier in a crate must name the file, whatever it is given."""

from __future__ import annotations

import ast
import io
import json
import os
import random
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forgery import edit_json, forge_from, list_anew, put, zipped

from prunemark.evidence import verify
from prunemark.evidence.verify import MANIFEST, METADATA, REFERENCED

Tamper = Callable[[Path], None]
CELL = "cifar10-jpeg/simclr-r18w16/0/uchida/0/magnitude/0.5"
PRUNED, SCORES = f"data/pruned/{CELL}", f"data/scores/{CELL}/cifar10-jpeg"
TRAINED, RAW, REPORT = "data/encoders/cifar10-jpeg/simclr-r18w16/0", "data/raw/cifar10-jpeg", "data/report"
CODE = "src/prunemark/errors.py"
RECEIPTS = 45


def flipped(name: str) -> Tamper:
    def tamper(crate: Path) -> None:
        content = bytearray((crate / name).read_bytes())
        content[len(content) // 2] ^= 1
        put(crate / name, bytes(content))

    return tamper


def replaced(name: str, old: str, new: str) -> Tamper:
    def tamper(crate: Path) -> None:
        text = (crate / name).read_text()
        assert old in text
        put(crate / name, text.replace(old, new, 1).encode())

    return tamper


def edited(name: str, **changes: Any) -> Tamper:
    """Fields of a receipt, or of its parameters, inputs, outputs or code where the value is a dictionary."""

    def edit(receipt: dict[str, Any]) -> None:
        for key, value in changes.items():
            receipt[key] = receipt[key] | value if isinstance(value, dict) else value

    return lambda crate: edit_json(crate / name, edit)


def written(name: str, content: str) -> Tamper:
    return lambda crate: put(crate / name, content.encode())


def removed(*names: str) -> Tamper:
    def tamper(crate: Path) -> None:
        for name in names:
            (crate / name).unlink()

    return tamper


def copied(name: str, to: str) -> Tamper:
    return lambda crate: put(crate / to, (crate / name).read_bytes())


def score_hashed_anew(crate: Path) -> None:
    """A better score, and its receipt says so; the report read another one."""
    replaced(f"{SCORES}/scores.json", '"k": ', '"k": 1')(crate)
    digest = verify.hashlib.sha256((crate / SCORES / "scores.json").read_bytes()).hexdigest()
    edited(f"{SCORES}/receipt.json", outputs={f"{SCORES}/scores.json": digest})(crate)


def metadata(change: Callable[[dict[str, Any]], None], identifier: str) -> Tamper:
    def edit(content: dict[str, Any]) -> None:
        change(next(entity for entity in content["@graph"] if entity["@id"] == identifier))

    return lambda crate: edit_json(crate / METADATA, edit)


def graph_edited(change: Callable[[list[Any]], None]) -> Tamper:
    return lambda crate: edit_json(crate / METADATA, lambda content: change(content["@graph"]))


def linked(name: str, target: str) -> Tamper:
    def tamper(crate: Path) -> None:
        (crate / name).unlink(missing_ok=True)
        (crate / name).symlink_to(target)

    return tamper


def a_pipe(crate: Path) -> None:
    removed(f"{SCORES}/scores.json")(crate)
    os.mkfifo(crate / SCORES / "scores.json")


def two_lines_of_one_file(crate: Path) -> None:
    text = (crate / MANIFEST).read_text()
    put(crate / MANIFEST, (text + text.splitlines(keepends=True)[-1]).encode())


def another_source(crate: Path) -> None:
    """Consistent throughout, but for one receipt that still names the hash of before."""
    honest = (crate / TRAINED / "receipt.json").read_bytes()
    forge_from(crate, RAW, lambda receipt: receipt["inputs"].update({"cifar10-jpeg.tar.gz": "0" * 64}))
    put(crate / TRAINED / "receipt.json", honest)


# What a hasty forger leaves: the manifest is that of before.
HASTY: dict[str, tuple[Tamper, str]] = {
    "a bit of the scores": (flipped(f"{SCORES}/scores.json"), f"{SCORES}/scores.json: sha256 is"),
    "a bit of a receipt": (flipped(f"{SCORES}/receipt.json"), f"{SCORES}/receipt.json: sha256 is"),
    "a bit of the page": (flipped(f"{REPORT}/report.html"), f"{REPORT}/report.html: sha256 is"),
    "a bit of a journal": (flipped(f"data/journal/{PRUNED[5:]}.json"), f"data/journal/{PRUNED[5:]}.json: sha256 is"),
    "params.yaml edited": (replaced("params.yaml", "seeds: [0]", "seeds: [2]"), "params.yaml: sha256 is"),
    "the verifier replaced": (written("verify.py", "print('all is well')\n"), "verify.py: sha256 is"),
    "a file removed": (removed(f"{SCORES}/scores.json"), f"{SCORES}/scores.json: missing"),
    "a file added": (written("notes.txt", "found lying about\n"), "notes.txt: sha256 is"),
    "the manifest removed": (removed(MANIFEST), f"{MANIFEST}: missing"),
    "the manifest truncated": (lambda crate: put(crate / MANIFEST, (crate / MANIFEST).read_bytes()[:-9]), MANIFEST),
    "a line twice in the manifest": (two_lines_of_one_file, f"{MANIFEST}: has a line"),
    "a manifest that is no text": (lambda crate: put(crate / MANIFEST, b"\xff\xfe"), f"{MANIFEST}: missing, damaged"),
    "a link instead of a file": (linked(f"{SCORES}/scores.json", "receipt.json"), f"{SCORES}/scores.json: not read"),
    "a link out of the crate": (linked("data/elsewhere", "/etc"), "data/elsewhere: not read"),
    "a name that clears the screen": (written("data/\x1b[2J.json", "{}"), "data/\\x1b[2J.json: not read"),
    "a pipe instead of a file": (a_pipe, f"{SCORES}/scores.json: not read"),
}
# What a patient one leaves: a manifest of the files as they are now.
PATIENT: dict[str, tuple[Tamper, str]] = {
    "a score": (replaced(f"{SCORES}/scores.json", '"k": ', '"k": 1'), f"{SCORES}/scores.json: is not what a receipt"),
    "a score and its receipt": (score_hashed_anew, f"{REPORT}/receipt.json: its input {SCORES}/receipt.json"),
    "a number of the table": (flipped(f"{REPORT}/results.csv"), f"{REPORT}/results.csv: is not what a receipt says"),
    "a source file": (written(CODE, "pass\n"), f"{CODE}: is not what a receipt says"),
    "another source of raw data": (another_source, f"{TRAINED}/receipt.json: its input {RAW}/receipt.json"),
    "another seed": (edited(f"{TRAINED}/receipt.json", seed=7), f"{TRAINED}/receipt.json: its command, its seed"),
    "another parameter": (
        edited(f"{PRUNED}/receipt.json", parameters={"rate": "0.9"}),
        f"{PRUNED}/receipt.json: its command, its seed",
    ),
    "another command": (
        replaced(f"{PRUNED}/receipt.json", "--rate 0.5", "--rate 0.1"),
        f"{PRUNED}/receipt.json: its command, its seed",
    ),
    "a receipt in another folder": (
        copied(f"{PRUNED}/receipt.json", f"{PRUNED}5/receipt.json"),
        f"{PRUNED}5/receipt.json: its command, its seed or its folder",
    ),
    "a cell left out": (
        removed(f"{SCORES}/receipt.json", f"{SCORES}/scores.json"),
        f"{REPORT}/receipt.json: its input {SCORES}/receipt.json is no output",
    ),
    "no report": (removed(f"{REPORT}/receipt.json"), f"{REPORT}/receipt.json: missing, or unexplained"),
    "an output that lies elsewhere": (
        edited(f"{PRUNED}/receipt.json", outputs={f"{SCORES}/scores.json": "0" * 64}),
        f"{PRUNED}/receipt.json: claims {SCORES}/scores.json",
    ),
    "raw data made up": (
        edited(f"{TRAINED}/receipt.json", inputs={"elsewhere.tar.gz": "0" * 64}),
        f"{TRAINED}/receipt.json: its input elsewhere.tar.gz is no output",
    ),
    "a stage that poses as raw data": (
        edited(f"{TRAINED}/receipt.json", stage="fetch"),
        f"{TRAINED}/receipt.json: begins neither at raw data",
    ),
    "a file that nobody names": (written(f"{SCORES}/notes.json", "{}"), f"{SCORES}/notes.json: unexplained"),
    "code that nobody ran": (written("src/prunemark/extra.py", ""), "src/prunemark/extra.py: unexplained"),
    "a journal of no receipt": (written("data/journal/raw/x.json", "{}"), "data/journal/raw/x.json: unexplained"),
    "a reference struck out": (
        lambda crate: put(crate / REFERENCED, b"".join((crate / REFERENCED).read_bytes().splitlines(True)[1:])),
        f"{TRAINED}/encoder.safetensors: is not what a receipt says, or neither",
    ),
    "a reference to another encoder": (
        lambda crate: put(crate / REFERENCED, b"0" * 64 + (crate / REFERENCED).read_bytes()[64:]),
        f"{TRAINED}/encoder.safetensors: is not what a receipt says",
    ),
    "no references": (removed(REFERENCED), f"{REFERENCED}: missing"),
    "another command in the metadata": (
        metadata(lambda entity: entity.update(description="true"), f"#{PRUNED}"),
        f"{METADATA}: does not say what {PRUNED}/receipt.json is",
    ),
    "another hash in the metadata": (
        metadata(lambda entity: entity.update(sha256="0" * 64), f"{SCORES}/scores.json"),
        f"{METADATA}: does not say what {SCORES}/scores.json is",
    ),
    "a result left out of the metadata": (
        metadata(lambda entity: entity["result"].pop(), f"#{PRUNED}"),
        f"{METADATA}: does not say what {PRUNED}/receipt.json is",
    ),
    "an input left out of the metadata": (
        metadata(lambda entity: entity["object"].pop(0), f"#{PRUNED}"),
        f"{METADATA}: does not say what {PRUNED}/receipt.json is",
    ),
    "an entity twice in the metadata": (
        graph_edited(lambda graph: graph.append({"@id": "params.yaml", "@type": "File", "sha256": "0" * 64})),
        f"{METADATA}: does not say what an @id that is there twice is",
    ),
    "the same entity again, before the right one": (
        graph_edited(lambda graph: graph.insert(0, {"@id": "%70arams.yaml", "@type": "File", "sha256": "0" * 64})),
        f"{METADATA}: does not say what an @id that is there twice is",
    ),
    "a file left out of the metadata": (
        graph_edited(lambda graph: graph.remove(next(e for e in graph if e["@id"] == "params.yaml"))),
        f"{METADATA}: does not say what params.yaml is",
    ),
    "a file without its hash in the metadata": (
        metadata(lambda entity: entity.pop("sha256"), "Snakefile"),
        f"{METADATA}: does not say what Snakefile is",
    ),
    "metadata that is a list": (written(METADATA, "[]"), f"{METADATA}: missing, damaged"),
    "no metadata": (removed(METADATA), f"{METADATA}: missing"),
    "a receipt that is no JSON": (written(f"{PRUNED}/receipt.json", "{"), f"{PRUNED}/receipt.json: missing, damaged"),
    "a receipt without end": (
        written(f"{PRUNED}/receipt.json", "[" * 10**6),
        f"{PRUNED}/receipt.json: missing, damaged",
    ),
    "a receipt of numbers": (
        edited(f"{PRUNED}/receipt.json", inputs={RAW: 1}),
        f"{PRUNED}/receipt.json: missing, damaged or not of its form (ValueError: no receipt of schema 1 or 2)",
    ),
    "a receipt of another schema": (
        edited(f"{PRUNED}/receipt.json", schema=3),
        f"{PRUNED}/receipt.json: missing, damaged",
    ),
    "a receipt that says everything twice": (
        replaced(f"{PRUNED}/receipt.json", '{\n "code"', '{\n "seed": 5,\n "code"'),
        f"{PRUNED}/receipt.json: not as written",
    ),
}


def lines_of(path: Path) -> list[str]:
    return verify.verify(str(path))[0].breaks


def named(lines: list[str], expected: str) -> bool:
    return any(line.startswith(expected) for line in lines)


def test_the_crate_verifies(crate: Path) -> None:
    assert lines_of(crate) == []


@pytest.mark.parametrize("name", HASTY)
def test_a_hasty_forger_is_named(tampered: Path, name: str) -> None:
    tamper, expected = HASTY[name]
    tamper(tampered)
    assert named(lines_of(tampered), expected)


@pytest.mark.parametrize("name", PATIENT)
def test_a_patient_forger_is_named(tampered: Path, name: str) -> None:
    tamper, expected = PATIENT[name]
    tamper(tampered)
    list_anew(tampered)
    lines = lines_of(tampered)
    assert named(lines, expected), lines[:5]
    assert not any("the manifest says" in line for line in lines)


def outside(archive: zipfile.ZipFile) -> None:
    archive.writestr("../outside.txt", "")


def absolute(archive: zipfile.ZipFile) -> None:
    archive.writestr("/etc/outside.txt", "")


def twice(archive: zipfile.ZipFile) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        archive.writestr("params.yaml", "seeds: [2]\n")


def a_link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("data/elsewhere")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def absurd(archive: zipfile.ZipFile) -> None:
    archive.writestr("data/zeros.json", b"")
    archive.filelist[-1].file_size = 2**31


def many_large(archive: zipfile.ZipFile) -> None:
    """Each of an allowed size, all together not."""
    for i in range(20):
        archive.writestr(f"data/{i:02}.json", b"")
        archive.filelist[-1].file_size = 2**28


def locked(archive: zipfile.ZipFile) -> None:
    archive.filelist[0].flag_bits |= 1


def a_full_folder(archive: zipfile.ZipFile) -> None:
    archive.writestr("data/notes/", b"found lying about")


HOSTILE: dict[str, tuple[Callable[[zipfile.ZipFile], None], str]] = {
    "a file outside": (outside, "../outside.txt: not read"),
    "an absolute path": (absolute, "/etc/outside.txt: not read"),
    "a name twice": (twice, "params.yaml: not read"),
    "a link": (a_link, "data/elsewhere: not read"),
    "a file of absurd size": (absurd, "data/zeros.json: not read"),
    "a folder with content": (a_full_folder, "data/notes/: not read"),
    "many large files": (many_large, "data/19.json: not read"),
    "a file under a password": (locked, "README.md: missing, damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_named(crate: Path, tmp_path: Path, name: str) -> None:
    make, expected = HOSTILE[name]
    with zipped(crate, tmp_path / "crate.zip") as archive:
        make(archive)
    assert named(lines_of(tmp_path / "crate.zip"), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crate.zip"]


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_is_found_or_changes_nothing(archive: bytes, tmp_path: Path, seed: int) -> None:
    """A flipped bit, a lost end, some lost bytes: whatever the zip still gives without a break is what it gave."""
    draw, damaged = random.Random(seed), bytearray(archive)
    place = draw.randrange(len(damaged))
    if seed % 4 == 0:
        del damaged[place:]
    elif seed % 4 == 1:
        del damaged[place : place + draw.randrange(1, 50)]
    else:
        damaged[place] ^= 1 << draw.randrange(8)
    (tmp_path / "crate.zip").write_bytes(damaged)
    try:
        lines = lines_of(tmp_path / "crate.zip")
    except Exception as error:
        assert not isinstance(error, AssertionError | AttributeError | NameError)
        return
    with zipfile.ZipFile(io.BytesIO(archive)) as honest, zipfile.ZipFile(tmp_path / "crate.zip") as other:
        assert lines or {n: honest.read(n) for n in honest.namelist()} == {n: other.read(n) for n in other.namelist()}


@pytest.fixture(scope="module")
def archive(crate: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("archive") / "crate.zip"
    with zipped(crate, path):
        pass
    return path.read_bytes()


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-I", "-S", *map(str, arguments))
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_it_runs_by_itself_in_the_folder_and_on_the_zip(crate: Path, tmp_path: Path) -> None:
    with zipped(crate, tmp_path / "crate.zip"):
        pass
    for done in (run(crate / "verify.py", cwd=tmp_path), run(crate / "verify.py", "crate.zip", cwd=tmp_path)):
        assert (done.returncode, done.stderr) == (0, "")
        assert "all as the manifest says" in done.stdout
        assert "not checked: " in done.stdout
        assert "params.yaml, Snakefile and whatever else no receipt names" in done.stdout
    assert not list(crate.rglob("__pycache__"))


@pytest.mark.parametrize(
    "content", [b"", b"no zip at all", b"PK\x05\x06" + b"\0" * 18, b"PK\x03\x04" + b"\xff" * 300], ids=repr
)
def test_what_is_no_crate_is_one_line_and_status_1(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "crate.zip").write_bytes(content)
    done = run(verify.__file__, "crate.zip", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout


def test_a_truncated_zip_is_one_line_and_status_1(crate: Path, tmp_path: Path) -> None:
    with zipped(crate, tmp_path / "crate.zip"):
        pass
    (tmp_path / "crate.zip").write_bytes((tmp_path / "crate.zip").read_bytes()[:-100])
    done = run(verify.__file__, "crate.zip", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "cannot be read as a crate" in done.stdout


def test_a_name_that_is_no_text_is_one_line_and_status_1(tmp_path: Path) -> None:
    done = run(verify.__file__, os.fsdecode(b"\xff.zip"), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert len(done.stdout.splitlines()) == 1


def test_a_break_is_status_1(tampered: Path, tmp_path: Path) -> None:
    flipped("params.yaml")(tampered)
    done = run("crate/verify.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("params.yaml: sha256 is")


def test_it_is_one_short_file_of_the_standard_library(crate: Path) -> None:
    text = (crate / "verify.py").read_text()
    assert len(text.splitlines()) <= 155
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imported if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.split(".")[0] for node in imported if isinstance(node, ast.ImportFrom) and node.module}
    assert names <= sys.stdlib_module_names


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum")
@pytest.mark.parametrize("broken", [False, True])
def test_the_manifest_is_one_that_sha256sum_reads(tampered: Path, broken: bool) -> None:
    if broken:
        flipped(f"{SCORES}/scores.json")(tampered)
    done = subprocess.run(["sha256sum", "-c", "--quiet", MANIFEST], cwd=tampered, capture_output=True, text=True)
    assert (done.returncode != 0) == broken
    listed = (tampered / MANIFEST).read_text().splitlines()
    assert len(listed) + 1 == sum(path.is_file() for path in tampered.rglob("*"))


def test_everything_that_is_not_carried_is_listed(crate: Path) -> None:
    listed = {line[66:] for line in (crate / REFERENCED).read_text().splitlines()}
    receipts = [
        json.loads(path.read_bytes()) for path in crate.rglob("data/**/receipt.json") if "journal" not in path.parts
    ]
    said = {name for receipt in receipts for part in ("outputs", "code") for name in receipt[part]}
    assert listed == {name for name in said if not (crate / name).exists()}
    assert len(receipts) == RECEIPTS
