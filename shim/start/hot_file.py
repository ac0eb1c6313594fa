"""Makes the file that `shim.start.hot` reads: at installation, or at the first call after a source has changed."""

from __future__ import annotations
import __future__

import ast
import dis
import marshal
import os
import sys

from shim.start.hot import HEAD, HERE, START, Archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from shim.start.hot import Place, Source

ROOMS = ("", "host", "oci", "rules")  # what an intercepted call imports; not the diagnosis, nor people's tools
# What nearly every `create` imports, with all that these import at their top; the rest waits until it is asked for.
CORE = (
    *("shim.call.entry", "shim.planning.plan", "shim.host.view", "shim.host.detect", "shim.planning.preflight"),
    *("shim.rules.memory", "shim.rules.cpu", "shim.rules.cpuset", "shim.rules.pids", "shim.rules.devices"),
    *("shim.containers.state_files", "shim.enforce.followup", "shim.enforce.verify"),
)
PIECE = 1000000  # less than malloc(3) takes from mmap(2): fresh pages for each call
NOT_IN_IT = "shim.start.hot_file"


def main() -> None:
    """Make the file for the package that this module is of."""
    parent = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(os.path.dirname(path_below(parent)), exist_ok=True)
    write(parent, None)


def path_below(parent: str) -> str:
    """Where the file is."""
    return f"{parent}/shim/__pycache__/hot.{sys.implementation.cache_tag}.bin"


def made_anew(parent: str) -> Archive | None:
    """A new archive, also written where that is allowed; None where it is not, for it takes a third of a second."""
    if sys.dont_write_bytecode or not os.access(f"{parent}/shim/__pycache__", os.W_OK, effective_ids=True):
        return None
    try:
        return write(parent, read(path_below(parent)))
    except (OSError, SyntaxError, ValueError):
        return None  # the ordinary import will say what is wrong


def write(parent: str, old: Archive | None) -> Archive | None:
    """Put a new file in the place of the old one, whole or not at all, and read it. Raises what making it raises."""
    path = path_below(parent)
    beside = f"{path}.{os.getpid()}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(handle, "wb") as file:
            file.write(content(parent, old))
        os.rename(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    return read(path)


def read(path: str) -> Archive | None:
    """The archive in the file, whether it fits or not; None if it is missing, broken, or another interpreter's."""
    try:
        with open(path, "rb") as file:
            size = int(file.read(HEAD).removeprefix(sys.version.encode()))
            file.seek(HEAD + size)
            _, *lists = marshal.load(file)
            return Archive(os.dup(file.fileno()), file.tell(), *lists)
    except (OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError):
        return None  # whatever it is, it is not ours


def content(parent: str, old: Archive | None = None) -> bytes:
    """The file for the sources below `parent`; code of unchanged sources is taken from `old`."""
    sources = _sources(parent)
    codes: dict[str, CodeType] = {}
    for name, source in sources.items():
        if old and old.sources.get(name) == source:
            codes[name] = old.code(name)
        else:
            path = f"{parent}/{source[0]}"
            with open(path, "rb") as file:
                codes[name] = compiled(file.read(), path)
    order = _order(codes)
    rest: dict[str, Place] = {}
    behind = b""
    for name in codes.keys() - set(order):
        code = marshal.dumps(codes[name])
        rest[name] = (len(behind), len(code))
        behind += code
    core = [(name, codes[name]) for name in order]
    lists = marshal.dumps((codes[HERE], sources, core, rest))
    start = marshal.dumps(compile(START.format(size=len(lists)), "<shim.start.hot.START>", "exec", dont_inherit=True))
    return _head(len(start)) + start + lists + behind


def _head(size: int) -> bytes:
    head = (sys.version.encode() + b" %d" % size).ljust(HEAD)
    if len(head) > HEAD:
        raise ValueError(f"sys.version is too long for {HEAD} bytes")  # else a new file would be made at every call
    return head


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
    """The core, each module behind its package and those that it imports at its top."""
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
    """The code of a module without what only its readers need: docstrings, annotations of functions, guarded imports.

    Line numbers stay. The annotations of classes stay, too: they are the fields of a `Value`.
    """
    tree = ast.parse(source, path)
    tree.body = [kept for node in tree.body for kept in _needed(node)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, (ast.expr, ast.stmt)):  # columns serve the carets of a traceback, and take a tenth
            node.col_offset, node.end_lineno, node.end_col_offset = 0, node.lineno, 0
    flags = __future__.annotations.compiler_flag
    code: CodeType = compile(tree, path, "exec", flags=flags, dont_inherit=True, optimize=2)
    return code


def _needed(node: ast.stmt) -> list[ast.stmt]:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []  # what it says is said to compile()
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    return [node]
