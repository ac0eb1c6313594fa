"""The package's code in one file: `__pycache__/hot.TAG.bin` in the place of fifty `.pyc` files.

An ordinary import looks a module up in a directory, opens, checks and reads its file: fourteen system calls and a
fifth of a millisecond, forty times at every `create`. Here all code comes with one read. A file is used under the
rule that Python has for its own `.pyc`, only stricter: same interpreter, and every source has the size and the time,
to the nanosecond, that it was made from. What does not fit is made anew where that is allowed, as Python does, and
else the modules are imported one by one.

`python3 -m shim.hot` makes the file, for a prefix that will be read-only.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType, ModuleType
    from typing import Any

    # path below the package's parent, is it a package, time in nanoseconds, size in bytes, code
    Entry = tuple[str, bool, int, int, bytes]
    Table = dict[str, Entry]

ROOMS = ("", "host", "oci", "rules")  # what an intercepted call imports; not the diagnosis, nor people's tools
FEW = 20  # sources; fewer are not the package


def use(parent: str) -> None:
    """Take the modules below `parent`, the directory that contains the package, from one file where there is one."""
    table = _read(_file(parent))
    if not _fits(table, parent):
        table = _made_anew(table, parent)
    if table:
        sys.meta_path.insert(0, Finder(table, parent))


class Finder:
    """Finds and loads the modules of a table (importlib.abc.MetaPathFinder and Loader, which would cost 5 ms)."""

    def __init__(self, table: Table, parent: str) -> None:
        self.table = table
        self.parent = parent
        self.make = type(sys.__spec__)  # importlib.machinery.ModuleSpec

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """The module's spec, None for a module that is not in the table."""
        entry = self.table.get(name)
        if entry is None:
            return None
        origin = f"{self.parent}/{entry[0]}"
        spec = self.make(name, self, origin=origin, is_package=entry[1])  # type: ignore[arg-type] # a loader by shape
        spec.has_location = True
        if entry[1]:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec: object) -> None:
        """The import system makes the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        exec(marshal.loads(self.table[module.__name__][4]), module.__dict__)


def _file(parent: str) -> str:
    return f"{parent}/shim/__pycache__/hot.{sys.implementation.cache_tag}.bin"


def _magic() -> bytes:
    from _frozen_importlib_external import MAGIC_NUMBER

    return MAGIC_NUMBER + sys.version.encode()


def _read(path: str) -> Table:
    """The table in the file, {} if it is missing, broken, or another interpreter's."""
    try:
        with open(path, "rb", buffering=0) as file:
            magic, table = marshal.loads(file.read())
    except (OSError, EOFError, ValueError, TypeError):
        return {}
    return table if magic == _magic() else {}


def _fits(table: Table, parent: str) -> bool:
    """Is every source the one that the table was made from."""
    try:
        for path, _, time, size, _ in table.values():
            found = os.stat(f"{parent}/{path}")
            if found.st_mtime_ns != time or found.st_size != size:
                return False
    except OSError:
        return False
    return len(table) > FEW


def _made_anew(old: Table, parent: str) -> Table:
    """A new table, also written where that is allowed; {} where it is not, for making it takes a third of a second."""
    directory = f"{parent}/shim/__pycache__"
    if sys.dont_write_bytecode or not os.access(directory, os.W_OK, effective_ids=True):
        return {}
    try:
        table = build(parent, old)
        _write(_file(parent), marshal.dumps((_magic(), table)))
    except (OSError, SyntaxError, ValueError):
        return {}  # the ordinary import will say what is wrong
    return table


def _write(path: str, data: bytes) -> None:
    beside = f"{path}.{os.getpid()}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise


def build(parent: str, old: Table) -> Table:
    """The table for the sources below `parent`; code of unchanged sources is taken from `old`."""
    table: Table = {}
    for room in ROOMS:
        directory = os.path.join("shim", room) if room else "shim"
        for file in sorted(os.listdir(f"{parent}/{directory}")):
            if not file.endswith(".py"):
                continue
            path, package = f"{directory}/{file}", file == "__init__.py"
            name = (directory if package else path[: -len(".py")]).replace("/", ".")
            found = os.stat(f"{parent}/{path}")
            entry = (path, package, found.st_mtime_ns, found.st_size)
            known = old.get(name)
            code = known[4] if known and known[:4] == entry else _code(f"{parent}/{path}")
            table[name] = (*entry, code)
    return table


def _code(path: str) -> bytes:
    with open(path, "rb") as file:
        return marshal.dumps(compiled(file.read(), path))


def compiled(source: bytes, path: str) -> CodeType:
    """The code of a module without what only its readers need: docstrings, annotations of functions, guarded imports.

    Line numbers stay. The annotations of classes stay, too: they are the fields of a `Value`.
    """
    import __future__

    import ast

    tree = ast.parse(source, path)
    tree.body = [kept for node in tree.body for kept in _needed(node)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    flags = __future__.annotations.compiler_flag
    code: CodeType = compile(tree, path, "exec", flags=flags, dont_inherit=True, optimize=2)
    return code


def _needed(node: ast.stmt) -> list[ast.stmt]:
    import ast

    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []  # what it says is said to compile()
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    return [node]


if __name__ == "__main__":
    place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(os.path.dirname(_file(place)), exist_ok=True)
    _write(_file(place), marshal.dumps((_magic(), build(place, {}))))
