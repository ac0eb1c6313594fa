"""Small changes of a module's meaning, one at a time: flipped comparisons, dropped statements, other constants."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
NAMES = {"GUARD": "HINT", "HINT": "GUARD", "min": "max", "max": "min", "all": "any", "any": "all"}
SHAPES = ("exact", "page", "number", "first-words", "second-word", "cpus", "lines")


class Mutant(NamedTuple):
    """A changed module: the line, what was done there, and the whole text."""

    line: int
    what: str
    text: str


def places(text: str) -> Iterator[tuple[int, int]]:
    """Where a module can be changed: number of the node, and which of its changes; some come to nothing.

    Annotations, docstrings and imports are left alone.
    """
    tree = ast.parse(text)
    skipped = _skipped(tree)
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in skipped:
            yield from ((place, number) for number in range(_variants(node)))


def mutant(text: str, place: int, number: int) -> Mutant | None:
    """The module with this change, None where there is no such change."""
    tree = ast.parse(text)
    target = next(node for index, node in enumerate(ast.walk(tree)) if index == place)
    what = _change(tree, target, number)
    return Mutant(getattr(target, "lineno", 0), what, ast.unparse(ast.fix_missing_locations(tree))) if what else None


def _skipped(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(node) is not None:
            parts.append(node.body[0])
        if isinstance(node, ast.FunctionDef):
            parts += [node.args, *([node.returns] if node.returns else [])]
        if isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            parts.append(node)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts.append(node)
        found.update(id(one) for part in parts for one in ast.walk(part))
    return found


def _variants(node: ast.AST) -> int:
    if isinstance(node, (ast.If, ast.BoolOp)):
        return 2
    return int(
        isinstance(node, (ast.Compare, ast.UnaryOp, ast.Constant, ast.Name, ast.Raise, ast.Return, ast.Continue))
    )


def _change(tree: ast.Module, node: ast.AST, number: int) -> str:
    """Change the node; "" where this kind of node has no such change."""
    if isinstance(node, ast.Compare):
        kind = type(node.ops[0])
        node.ops[0] = COMPARISONS[kind]()
        return f"{kind.__name__} -> {COMPARISONS[kind].__name__}"
    if isinstance(node, ast.BoolOp):
        if number:
            dropped = ast.unparse(node.values.pop())
            return f"dropped: {dropped}"
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return "and <-> or"
    if isinstance(node, ast.If):
        node.test = ast.Constant(value=bool(number))
        return f"if {bool(number)}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _replaced(tree, node, node.operand, "not dropped")
    if isinstance(node, (ast.Raise, ast.Continue)):
        return _replaced(tree, node, ast.Pass(), f"{type(node).__name__.lower()} dropped")
    if isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        before, node.id = node.id, NAMES[node.id]
        return f"{before} -> {node.id}"
    return _constant(node)


def _constant(node: ast.AST) -> str:
    if not isinstance(node, ast.Constant):
        return ""
    before = node.value
    if isinstance(before, bool):
        node.value = not before
    elif isinstance(before, int):
        node.value = before + 1
    elif before in SHAPES:
        node.value = SHAPES[(SHAPES.index(before) + 1) % len(SHAPES)]
    else:
        return ""
    return f"{before!r} -> {node.value!r}"


def _replaced(tree: ast.Module, old: ast.AST, new: ast.AST, what: str) -> str:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return what
            if isinstance(value, list) and old in value:
                value[value.index(old)] = new
                return what
    return ""
