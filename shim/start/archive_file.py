"""Create the file that `shim.start.archive` reads, at installation or by `cgshimctl compile`."""

from __future__ import annotations
import __future__

import _imp
import ast
import compileall
import dis
import importlib.util
import marshal
import os
import sys

import shim
from shim.start.archive import HEAD, HERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from shim.start.archive import Place, Source

# Imported by an intercepted call; without the diagnosis and the commands of cgshimctl.
ROOMS = ("", "call", "containers", "enforce", "host", "oci", "planning", "rules", "start", "state")
# Imported by nearly every `create`, together with the imports at the top of these modules; the rest is loaded on
# demand.
CORE = (
    *("shim.call.entry", "shim.planning.plan", "shim.host.view", "shim.host.detect", "shim.planning.preflight"),
    *("shim.rules.memory", "shim.rules.cpu", "shim.rules.pids", "shim.rules.devices"),
    *("shim.containers.state_files", "shim.enforce.follow_up", "shim.enforce.verify"),
)
NOT_IN_IT = "shim.start.archive_file"


def main() -> None:
    """Create the archive of this package, and Python's own `.pyc` files for the modules outside it."""
    make(own_parent())


def own_parent() -> str:
    """Return the directory that contains this package."""
    return os.path.dirname(os.path.dirname(os.path.abspath(shim.__file__)))


def path_below(parent: str) -> str:
    """Return the path of the archive."""
    return f"{parent}/shim/__pycache__/hot.{sys.implementation.cache_tag}.bin"


def make(parent: str) -> str:
    """Replace the archive, whole or not at all; return its path. Only the owner may write to it.

    parent: the directory that contains the package. Raises OSError, and SyntaxError or ValueError for a source that
    cannot be compiled; no archive is left in that case.
    """
    data, path = content(parent), path_below(parent)
    before = os.umask(0o022)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(data, path)
        compileall.compile_dir(f"{parent}/shim", quiet=2)
    finally:
        os.umask(before)
    return path


def _write(data: bytes, path: str) -> None:
    beside = f"{path}.{os.getpid()}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def content(parent: str) -> bytes:
    """Return the archive's content for the sources below `parent`."""
    sources = _sources(parent)
    codes: dict[str, CodeType] = {}
    for name, source in sources.items():
        path = f"{parent}/{source[0]}"
        with open(path, "rb") as file:
            codes[name] = compiled(file.read(), path)
    order = _order(codes)
    rest: dict[str, Place] = {}
    behind = b""
    for name in sorted(codes.keys() - set(order)):
        code = marshal.dumps(codes[name])
        rest[name] = (len(behind), len(code), _imp.source_hash(len(code), code))
        behind += code
    core = marshal.dumps((codes[HERE], sources, [(name, codes[name]) for name in order], rest))
    return _head(core, HEAD + len(core) + len(behind)) + core + behind


def _head(core: bytes, length: int) -> bytes:
    """Return the head. length: of the whole file; the launcher compares it with the file's size."""
    return (importlib.util.MAGIC_NUMBER + _imp.source_hash(length, core) + b"%d" % len(core)).ljust(HEAD)


def _sources(parent: str) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for room in ROOMS:
        directory = f"shim/{room}".rstrip("/")
        for file in sorted(os.listdir(f"{parent}/{directory}")):
            path, package = f"{directory}/{file}", file == "__init__.py"
            name = (directory if package else path[: -len(".py")]).replace("/", ".")
            if file.endswith(".py") and name != NOT_IN_IT:
                status = os.stat(f"{parent}/{path}")
                found[name] = (path, package, status.st_mtime_ns, status.st_size)
    return found


def _order(codes: dict[str, CodeType]) -> list[str]:
    """Return the core's modules, each behind its package and the modules that it imports at its top."""
    order: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name not in codes or name in seen:
            return
        seen.add(name)
        add(name.rpartition(".")[0])
        module = ""
        for step in dis.get_instructions(codes[name]):
            if step.opname == "IMPORT_NAME":
                module = step.argval
                add(module)
            elif step.opname == "IMPORT_FROM":
                add(f"{module}.{step.argval}")
        order.append(name)

    for name in CORE:
        add(name)
    return order


def compiled(source: bytes, path: str) -> CodeType:
    """Compile a module without the parts that only readers need: docstrings, annotations of functions, guarded imports.

    Line numbers stay. So do the names that a class annotates: they are the fields of a `Value`.
    """
    tree = ast.parse(source, path)
    tree.body = [kept for node in tree.body for kept in _needed(node)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.copy_location(ast.Constant(None), node)
        if isinstance(node, (ast.expr, ast.stmt)):  # columns: only for carets
            node.col_offset, node.end_lineno, node.end_col_offset = 0, node.lineno, 0
    flags = __future__.annotations.compiler_flag
    code: CodeType = compile(tree, path, "exec", flags=flags, dont_inherit=True, optimize=2)
    return code


def _needed(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []  # compile() gets it as a flag
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    if isinstance(node, ast.AnnAssign) and node.value:
        return [ast.copy_location(ast.Assign([node.target], node.value), node)]
    return [node]


if __name__ == "__main__":
    main()
