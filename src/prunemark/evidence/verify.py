"""Check a crate by itself, with the standard library alone: ``python verify.py [FOLDER or ZIP]``, exit status 0 or 1.

Files against manifest and receipts, these in themselves and in their chain, metadata against all; none unexplained."""

import hashlib
import json
import os
import re
import shlex
import stat
import sys
import zipfile
from typing import Any
from urllib.parse import unquote

MANIFEST, REFERENCED, METADATA = "manifest-sha256.txt", "referenced-sha256.txt", "ro-crate-metadata.json"
OWN = r"[A-Z]+\.md|Snakefile|workflow/\w+/\w+\.(smk|rst)|(params|claims)\.yaml|constraints\.txt|verify\.py"
RECEIPT, LARGEST, MOST = "/receipt.json", 2**28, 2**32  # bytes of a file and of all
FIELDS = {"schema", "stage", "command", "parameters", "seed", "inputs", "outputs", "code"}


class Crate:
    """The files of a folder or a zip by name, read where they are, and the ``breaks`` found so far."""

    def __init__(self, path: str) -> None:
        self.path, self.breaks, self.sizes, self.hashes = path, list[str](), dict[str, int](), dict[str, str]()
        self.zip, left = None if os.path.isdir(path) else zipfile.ZipFile(path), MOST
        for name, size, mode in self.entries():
            left -= size
            odd = {"", ".", ".."} & {*name.split("/")} or re.search(r"[\\:\x00-\x1f]", name) or name in self.sizes
            if odd or size > LARGEST or left < 0 or stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                self.fault(name, "not read: there twice, outside the crate, too large, or no regular file but a link")
            else:
                self.sizes[name] = size

    def entries(self) -> list[tuple[str, int, int]]:
        if self.zip:
            found = [i for i in self.zip.infolist() if not i.is_dir() or i.file_size or i.compress_size]
            return [(i.filename, i.file_size, i.external_attr >> 16) for i in found]
        places = sorted(os.path.join(top, name) for top, dirs, files in os.walk(self.path) for name in dirs + files)
        there = [(os.path.relpath(place, self.path).replace(os.sep, "/"), os.lstat(place)) for place in places]
        return [(name, s.st_size, s.st_mode) for name, s in there if not stat.S_ISDIR(s.st_mode)]

    def fault(self, name: str, reason: str) -> None:
        self.breaks.append(f"{name}: {reason}".encode("unicode_escape").decode())

    def attempt(self, name: str, check: Any) -> Any:
        try:
            return check(name)
        except Exception as error:  # what is hostile may raise anything
            return self.fault(name, f"missing, damaged or not of its form ({type(error).__name__}: {str(error)[:80]})")

    def read(self, name: str) -> bytes:
        size, place = self.sizes[name], os.path.join(self.path, name)  # before a pipe is opened
        with self.zip.open(name) if self.zip else open(place, "rb") as file:
            return file.read(size)

    def listed(self, name: str) -> dict[str, str]:
        """{path: SHA-256} of a list in the form of sha256sum."""
        lines = self.read(name).decode().split("\n")
        found = {line[66:]: line[:64] for line in lines if re.fullmatch(r"[0-9a-f]{64}  .+", line)}
        if len(found) != len(lines) - 1 or lines[-1]:
            self.fault(name, "has a line that is not a sha256, two spaces and a path of its own")
        return found


def check_receipt(crate: Crate, name: str) -> dict[str, Any]:
    """A receipt, whose command, seed and folder must be those of its parameters."""
    found: dict[str, Any] = json.loads(crate.read(name))
    kinds = {type(digest) for part in ("inputs", "outputs", "code") for digest in found[part].values()}
    if set(found) != FIELDS or found["schema"] not in (1, 2) or kinds - {str}:
        raise ValueError("no receipt of schema 1 or 2")
    if (json.dumps(found, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode() != crate.read(name):
        crate.fault(name, "not as written: its JSON is not in canonical form")
    given, words = found["parameters"], ["prunemark", found["stage"]]
    for key, value in sorted(given.items()):
        options = [f"{k}={v}" for k, v in sorted(value.items())] if isinstance(value, dict) else value
        options = options if isinstance(options, list) else [] if options in (None, "") else [options]
        words += [word for option in options for word in (f"--{key}", str(option))]
    if found["command"] != shlex.join(words) or found["seed"] != given.get("seed") or given["out"] + RECEIPT != name:
        crate.fault(name, "its command, its seed or its folder is not what its parameters say")
    return found


def check_chain(crate: Crate, receipts: dict[str, Any], made: dict[str, tuple[str, str]]) -> None:
    """Inputs of every receipt against what was ``made`` before it: {path: (SHA-256, receipt)}."""
    waits = {name: {made[path][1] for path in found["inputs"] if path in made} for name, found in receipts.items()}
    for name, found in receipts.items():
        raw = name.startswith("data/raw/")
        for path, digest in found["inputs"].items():
            given = crate.hashes.get(path) if path.startswith(("data/journal/", "claims.yaml")) else None
            if made.get(path, (given, ""))[0] != digest and (path.startswith("data/") or not raw):
                crate.fault(name, f"its input {path} is no output of another receipt, or has another sha256")
        for path in found["outputs"]:
            if made[path][1] != name or not path.startswith(name.removesuffix("receipt.json")):
                crate.fault(name, f"claims {path}, which lies elsewhere or is another's")
        if raw == bool(waits[name]) or raw != (found["stage"] == "fetch") or not waits[name] <= set(found["inputs"]):
            crate.fault(name, "begins neither at raw data nor at receipts before it, whose hashes it names")
    for name in sorted((set(receipts) - set().union(*waits.values())) ^ {f"data/report{RECEIPT}"}):
        crate.fault(name, "missing, or unexplained: no other receipt reads it")


def check_metadata(crate: Crate, receipts: dict[str, Any]) -> None:
    """What RO-Crate tools are shown must be what the files and the receipts are."""
    graph = json.loads(crate.read(METADATA))["@graph"]
    shown = {unquote(entity["@id"]): entity for entity in graph}
    wrong = [n for n, digest in crate.hashes.items() if n != METADATA and shown.get(n, {}).get("sha256") != digest]
    for name, found in receipts.items():
        step = shown.get("#" + name.removesuffix(RECEIPT), {"object": [], "result": []})
        read, wrote = ({unquote(part["@id"]).lstrip("#") for part in step[key]} for key in ("object", "result"))
        same = wrote == {*found["outputs"], name} and read >= {*found["inputs"]}
        wrong += [] if same and step["description"] == found["command"] else [name]
    for name in wrong + ["an @id that is there twice"] * (len(shown) < len(graph)):
        crate.fault(METADATA, f"does not say what {name} is")


def verify(path: str) -> tuple[Crate, dict[str, str]]:
    """The crate with its breaks, and {path: SHA-256} of the files that it only refers to."""
    crate = Crate(path)
    listed, referenced = (crate.attempt(name, crate.listed) or {} for name in (MANIFEST, REFERENCED))
    for name in sorted({*crate.sizes, *listed} - {MANIFEST, f"{MANIFEST}.sig"}):
        crate.hashes[name] = hashlib.sha256(crate.attempt(name, crate.read) or b"").hexdigest()
        if listed.get(name) != crate.hashes[name]:
            crate.fault(name, f"sha256 is {crate.hashes[name][:12]}, the manifest says {str(listed.get(name))[:12]}")
    names = sorted(name for name in crate.hashes if re.fullmatch(r"data/(?!journal/).+/receipt\.json", name))
    receipts = {n: found for n in names if (found := crate.attempt(n, lambda name: check_receipt(crate, name)))}
    made = {path: (digest, name) for name, found in receipts.items() for path, digest in found["outputs"].items()}
    check_chain(crate, receipts, made | {name: (crate.hashes[name], name) for name in receipts})
    said = {path: {digest} for found in receipts.values() for path, digest in found["outputs"].items()}
    journals = {f"data/journal{name[4:].removesuffix(RECEIPT)}.json": found for name, found in receipts.items()}
    for name, found in journals.items():  # receipts of schema 2 name the meaning of code, journals its bytes
        ran = found if found["schema"] == 1 else crate.attempt(name, lambda n: json.loads(crate.read(n))) or {}
        for path in found["code"]:
            said.setdefault(path, set()).add(ran.get("code", {}).get(path))
    for name, digests in sorted(said.items()):
        if crate.hashes.get(name, referenced.get(name)) not in digests:
            crate.fault(name, "is not what a receipt says, or neither in the crate nor referred to")
    own = {METADATA, REFERENCED, *(name for name in crate.hashes if re.fullmatch(OWN, name))}
    for name in sorted({*crate.hashes, *referenced} - own - {*receipts, *journals, *said}):
        crate.fault(name, "unexplained: no receipt names it")
    crate.attempt(METADATA, lambda _: check_metadata(crate, receipts))
    return crate, {name: digest for name, digest in referenced.items() if name not in crate.hashes}


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    try:
        checked, unchecked = verify(where)
    except Exception as error:
        sys.exit(print(f"{where!a}: cannot be read as a crate: {error!a}") or 1)
    print("\n".join(checked.breaks) or f"{len(checked.hashes)} files, all as the manifest says; their receipts chain")
    print(f"not checked: {len(unchecked)} files only referred to, sources of raw data, whose crate it is, any rerun;")
    print("and beyond a manifest that anyone may write anew: params.yaml, Snakefile and whatever else no receipt names")
    sys.exit(int(bool(checked.breaks)))
