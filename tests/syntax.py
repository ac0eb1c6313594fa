"""The project's own source as syntax trees, for the tests that hold its shape."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


class Module(NamedTuple):
    """One file: its name from the project's root, its text, and its tree in the grammar of Python 3.7, tests: 3.9."""

    name: str
    text: str
    tree: ast.Module

    @property
    def dotted(self) -> str:
        """The name it is imported by."""
        return self.name[: -len(".py")].replace("/", ".").replace(".__init__", "")


def modules(*folders: str) -> list[Module]:
    """Every Python file below the folders, by name."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            tree = ast.parse(text, filename=str(path), feature_version=(3, 7) if folder == "shim" else (3, 9))
            found.append(Module(str(path.relative_to(ROOT)), text, tree))
    return found


def functions(tree: ast.AST) -> Iterator[Function]:
    """Every function, methods and nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def public_definitions(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes of a module, and the public methods of those classes.

    What only a type checker sees (below `if TYPE_CHECKING`) and its run-time twin are left out of the methods.
    """
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node
            for inner in node.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) and not inner.name.startswith("_"):
                    yield inner


def _guarded(tree: ast.AST) -> set[int]:
    """Identities of the nodes that only a type checker sees."""
    hidden: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                hidden.update(id(inner) for inner in ast.walk(statement))
    return hidden


def imports(tree: ast.Module, *, lazy: bool = True) -> set[str]:
    """Dotted names that a module imports at run time; lazy False leaves out imports inside functions."""
    skipped = _guarded(tree)
    if not lazy:
        for function in functions(tree):
            skipped.update(id(inner) for inner in ast.walk(function))
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found - {"__future__"}


def names_called(tree: ast.AST) -> set[str]:
    """What is called, as written: `open`, `sys.exit`, `os.environ.get`."""
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
