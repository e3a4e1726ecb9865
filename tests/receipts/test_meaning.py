"""What changes the identity of a source file, and what does not."""

from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import prunemark
from prunemark.receipts.meaning import identity

PACKAGE = Path(prunemark.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
SOURCE = '''
"""A module."""

import functools

from pydantic import BaseModel

LIMIT: int = 3


class Model(BaseModel):
    """A model."""

    width: int = 4

    def area(self, height: int) -> int:
        """Its area."""
        area: int = self.width * height  # in pixels
        return area


@functools.cache
def double(x: int, *rest: int, y: int = 2, **more: int) -> int:
    """Twice."""
    total: list[int]
    total = [x, y]
    for item in rest:
        total.append(item)
    return sum(total)
'''


def changed(old: str, new: str) -> str:
    assert SOURCE.count(old) == 1, old
    return identity("a.py", SOURCE.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another module, with a longer text."""'),
        ('"""A module."""\n', ""),
        ('        """Its area."""\n', ""),
        ("# in pixels", "# of the picture"),
        ("  # in pixels", ""),
        ("height: int) -> int", "height)"),
        ("(x: int, *rest: int, y: int = 2, **more: int) -> int", "(x, *rest: float, y=2, **more) -> float"),
        ("area: int = self", "area = self"),
        ("    total: list[int]\n", ""),
        ("[x, y]", "[\n        x,\n        y,\n    ]"),
        ("import functools\n", "import functools\n\n\n"),
        ("self.width * height", "(self.width) * (height)"),
        ('"""Twice."""', "'Twice.'"),
    ],
)
def test_what_no_result_can_depend_on_does_not_count(old: str, new: str) -> None:
    assert changed(old, new) == identity("a.py", SOURCE.encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width: int = 4", "width: float = 4"),
        ("width: int = 4", "width: int = 5"),
        ("LIMIT: int", "LIMIT: float"),
        ("y: int = 2", "y: int = 3"),
        ("y: int = 2", "z: int = 2"),
        ("total.append(item)", "total.append(-item)"),
        ("self.width * height", "self.width + height"),
        ("@functools.cache\n", ""),
        ("import functools", "import functools as functools"),
        ("    total = [x, y]\n", "    total = [y, x]\n"),
        ("for item in rest:", "for part in rest:"),
        ("return area", "return None"),
        ("return area", "pass"),
    ],
)
def test_what_a_result_can_depend_on_counts(old: str, new: str) -> None:
    assert changed(old, new) != identity("a.py", SOURCE.encode())


@pytest.mark.parametrize(
    "source",
    [
        "import typer\n\ndef f(x: {}): pass",
        "from typing import get_type_hints\n\ndef f(x: {}): pass",
        "@app.command()\ndef f(x: {}): pass",
        "@singledispatch.register\ndef f(x: {}): pass",
        "@dataclass\nclass A:\n    x: {}",
    ],
)
def test_annotations_that_are_read_at_run_time_count(source: str) -> None:
    assert identity("a.py", source.format("int").encode()) != identity("a.py", source.format("str").encode())


def test_a_name_that_only_an_annotation_makes_local_counts() -> None:
    """Read without a value it raises, where the name of the module would be found."""
    assert identity("a.py", b"x = 1\ndef f():\n    x: int\n    return x") != identity(
        "a.py", b"x = 1\ndef f():\n    return x"
    )


def test_none_and_nothing_are_told_apart() -> None:
    sources = [
        "f(None)",
        "f()",
        "f(0)",
        "f(False)",
        "f('')",
        "f(b'')",
        "f(0.0)",
        "f(...)",
        "f(*[])",
        "f(**{})",
        "f({})",
    ]
    assert len({identity("a.py", source.encode()) for source in sources}) == len(sources)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_that_is_written_anew_from_its_syntax_tree_is_the_same(path: Path) -> None:
    """Without comments and layout; `ast.unparse` keeps docstrings and annotations."""
    content = path.read_bytes()
    assert identity(path.name, ast.unparse(ast.parse(content)).encode()) == identity(path.name, content)


@pytest.mark.parametrize("seed", range(3))
def test_any_constant_that_changes_counts(seed: int) -> None:
    """In a hundred random places of the package: a number or a text that is no docstring, changed alone."""
    draw = random.Random(seed)
    for _ in range(35):
        path = draw.choice(SOURCES)
        tree = ast.parse(path.read_bytes())
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        annotations = {id(inner) for node in ast.walk(tree) for name in ("annotation", "returns")
                       for inner in ast.walk(getattr(node, name, None) or ast.Module([], []))}  # fmt: skip
        constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)
                     and isinstance(node.value, int | str) and id(node) not in texts | annotations]  # fmt: skip
        if not constants:
            continue
        node = draw.choice(constants)
        before = identity("a.py", ast.unparse(tree).encode())
        node.value = not node.value if isinstance(node.value, bool) else node.value + type(node.value)(1)
        assert identity("a.py", ast.unparse(tree).encode()) != before, (path, node.lineno)


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_other_pythons_give_the_same_identities(version: str) -> None:
    # A version manager's stand-in runs the version that this variable names.
    environment = os.environ | {"PYENV_VERSION": version}
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "--version"], env=environment, capture_output=True).returncode:
        pytest.skip(f"python{version} is not installed here")
    code = (
        "import sys, runpy; m = runpy.run_path(sys.argv[1]); "
        "print(*(m['identity'](p, open(p, 'rb').read()) for p in sys.stdin.read().split('\\0')), sep='\\n')"
    )
    command = [python, "-c", code, str(PACKAGE / "receipts/meaning.py")]
    done = subprocess.run(command, input="\0".join(map(str, SOURCES)), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.split() == [identity(path.name, path.read_bytes()) for path in SOURCES]


def test_what_is_no_python_is_named_by_its_bytes() -> None:
    assert identity("page.css", b"a {}") != identity("page.css", b"a  {}")
    assert identity("a.py", b"def (") != identity("a.py", b"def  (")


@pytest.mark.parametrize("word", ["inspect", "typer", "dispatch", "type_hints"])
def test_a_comment_or_a_docstring_makes_no_reader_of_annotations(word: str) -> None:
    plain = b"def f(x: int) -> int:\n    return x\n"
    assert identity("a.py", plain + f"# as {word} does\n".encode()) == identity("a.py", plain)
    assert identity("a.py", f'"""As {word} does: {word}."""\n'.encode() + plain) == identity("a.py", plain)


def test_a_deep_tree_and_a_long_number_have_an_identity() -> None:
    deep = b"TABLE = " + b" + ".join([b"'a'"] * 3000) + b"\n"
    assert identity("a.py", deep + b"# more\n") == identity("a.py", deep)
    assert identity("a.py", b"TABLE = 0x" + b"f" * 5000 + b"\n") != identity(
        "a.py", b"TABLE = 0x" + b"f" * 5001 + b"\n"
    )
