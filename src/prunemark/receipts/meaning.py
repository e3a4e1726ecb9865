"""The meaning of a source file: its syntax tree without what no result can depend on.

Two versions of a file have one identity where they differ in comments, docstrings, layout, or annotations of function
arguments, returns and local variables. Annotations in a class body or at the top of a module count, since models and
dataclasses read them, and so do those of signatures that are read at run time. The dump is our own, of named fields
with empty ones left out, because that of `ast` differs between versions of Python.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys

# What the syntax says elsewhere, or what only type checkers read.
LEFT_OUT = {"ctx", "kind", "type_comment", "type_ignores"}
# A file that uses one of these may read the annotations of any function.
READERS = (
    "typer",
    "inspect",
    "annotationlib",
    "annotations__",
    "get_annotations",
    "type_hints",
    "dispatch",
    "validate_call",
)
DEEPEST = 100_000  # frames: a sum of some hundred terms is a tree as deep
# Decorators that do not read annotations; of any other one it is not known.
BLIND = {
    "abstractmethod",
    "cache",
    "cached_property",
    "classmethod",
    "contextmanager",
    "lru_cache",
    "no_grad",
    "overload",
    "property",
    "setter",
    "staticmethod",
}
NOTHING = ast.Constant(...)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def identity(name: str, content: bytes) -> str:
    """SHA-256 of a file's meaning, as hexadecimal digits: of its syntax tree where it is Python, else of its bytes."""
    return identity_of_python(content) if name.endswith(".py") else hashlib.sha256(content).hexdigest()


@functools.lru_cache(maxsize=4096)
def identity_of_python(content: bytes) -> str:
    """The identity of Python source; of what is none, the SHA-256 of its bytes."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEPEST)
    try:
        tree = ast.parse(content)
        dump = Dump(keep=reads_annotations(tree))
        dump.write(tree)
    except (SyntaxError, ValueError):  # ValueError: a number of more digits than Python writes
        return hashlib.sha256(content).hexdigest()
    finally:
        sys.setrecursionlimit(usual)
    return hashlib.sha256("".join(dump.parts).encode()).hexdigest()


def reads_annotations(tree: ast.AST) -> bool:
    """Whether a module uses, by its names, anything that may read annotations at run time."""
    return any(reader in word for node in ast.walk(tree) for word in words(node) for reader in READERS)


def words(node: ast.AST) -> tuple[str, ...]:
    """The names in a node; of a text, only one that is an identifier, which ``getattr`` may ask for."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return (name,)
        case ast.ImportFrom(module=str(name)):
            return (name,)
        case ast.Constant(value=str(text)) if text.isidentifier():
            return (text,)
    return ()


class Dump:
    """A syntax tree as text: the named fields of every node that are not empty, constants in ASCII.

    ``keep``: the module may read the annotations of its functions.
    """

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.parts: list[str] = []
        self.function: Function | None = None  # the innermost one, where no class lies between

    def write(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.node(value)
        elif isinstance(value, list):
            self.parts.append("[")
            for item in value:
                self.write(item)
                self.parts.append(",")
            self.parts.append("]")
        else:
            self.parts.append(ascii(value))

    def node(self, node: ast.AST) -> None:
        outside = self.function
        if isinstance(node, Function):
            if not self.keep and all(decorator_name(item) in BLIND for item in node.decorator_list):
                strip_annotations(node)
            self.function = node
        elif isinstance(node, ast.ClassDef):
            self.function = None
        elif isinstance(node, ast.AnnAssign) and self.function:
            # In a function an annotated assignment is an assignment, and an annotation alone makes a name local.
            node = ast.Assign([node.target], node.value) if node.value else ast.AnnAssign(node.target, NOTHING, None, 0)
        self.fields(node)
        self.function = outside

    def fields(self, node: ast.AST) -> None:
        self.parts.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = None if name in LEFT_OUT else getattr(node, name, None)
            if isinstance(value, list):
                in_text = isinstance(node, ast.JoinedStr)
                value = [item for item in value if not self.says_nothing(item, in_text)] or None
            if value is not None:
                self.parts.append(f"{name}=")
                self.write(value)
                self.parts.append(",")
        self.parts.append(")")

    def says_nothing(self, node: object, in_text: bool) -> bool:
        """Whether a statement is a docstring or another text, or annotates a name that the function binds anyway; or a
        part of an f-string is empty, as Python 3.12 sees some."""
        if isinstance(node, ast.Constant):
            return in_text and node.value == ""
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if isinstance(node, ast.AnnAssign) and node.value is None and self.function:
            return not isinstance(node.target, ast.Name) or binds(self.function, node.target)
        return False


def strip_annotations(function: Function) -> None:
    function.returns = None
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument:
            argument.annotation = None


def binds(function: Function, target: ast.Name) -> bool:
    """Whether anything in a function but annotations alone gives a value to a name."""
    alone = {id(node.target) for node in ast.walk(function) if isinstance(node, ast.AnnAssign) and node.value is None}
    return any(
        (isinstance(node, ast.arg) and node.arg == target.id)
        or (
            isinstance(node, ast.Name)
            and node.id == target.id
            and isinstance(node.ctx, ast.Store)
            and id(node) not in alone
        )
        for node in ast.walk(function)
    )


def decorator_name(node: ast.expr) -> str:
    """The last part of a decorator's name: ``cache`` of ``@functools.cache``."""
    if isinstance(node, ast.Call):
        return decorator_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
