"""The package's code in one file: `__pycache__/hot.TAG.bin` in the place of fifty `.pyc` files.

An ordinary import looks a module up in a directory, opens, checks and reads its file: fourteen system calls and a
fifth of a millisecond, fifty times at every `create`. Here all code comes with one read, and what every `create` needs
(the core) is run in its order without the import system's help. The file is used under the rule that Python has for
its own `.pyc`, only stricter: same interpreter, and every source has the size and the time, to the nanosecond, that
it was made from. What does not fit is made anew where that is allowed, as Python does, and else the modules are
imported one by one.

`python3 -m shim.hot` makes the file, for a prefix that will be read-only.
"""

# No `from __future__ import annotations` in this one: it would be the only module to load `__future__`, a quarter of a
# millisecond. So annotations that are more than a built-in type stand in quotes.
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType, ModuleType
    from typing import Any

    Source = tuple[str, bool, int, int]  # path below the parent, is it a package, time in nanoseconds, size in bytes

ROOMS = ("", "host", "oci", "rules")  # what an intercepted call imports; not the diagnosis, nor people's tools
# What nearly every `create` imports, with all that these import at their top; the rest waits until it is asked for.
CORE = (
    *("shim.entry", "shim.plan", "shim.host.view", "shim.host.detect", "shim.preflight"),
    *("shim.rules.memory", "shim.rules.cpu", "shim.rules.cpuset", "shim.rules.pids", "shim.rules.devices"),
    *("shim.container", "shim.followup", "shim.verify"),
)


def use(parent: str) -> None:
    """Take the modules below `parent`, the directory that contains the package, from one file where there is one."""
    archive = _read(_file(parent))
    if archive is None or not archive.fits(parent):
        archive = _made_anew(archive, parent)
    if archive:
        finder = Finder(archive, parent)
        sys.meta_path.insert(0, finder)
        finder.load_core()


class Archive:
    """What the file holds.

    sources: module -> what it was made from. core: (module, code), each behind those that it imports.
    rest: module -> marshalled code.
    """

    def __init__(
        self, sources: "dict[str, Source]", core: "list[tuple[str, CodeType]]", rest: "dict[str, bytes]"
    ) -> None:
        self.sources = sources
        self.core = core
        self.rest = rest

    def fits(self, parent: str) -> bool:
        """Is every source the one that the archive was made from."""
        try:
            for path, _, time, size in self.sources.values():
                found = os.stat(f"{parent}/{path}")
                if found.st_mtime_ns != time or found.st_size != size:
                    return False
        except OSError:
            return False
        return True


class Finder:
    """Finds and loads the modules of an archive (as importlib.abc's MetaPathFinder and Loader, which cost 5 ms)."""

    def __init__(self, archive: Archive, parent: str) -> None:
        self.archive = archive
        self.parent = parent
        self.make = type(sys.__spec__)  # importlib.machinery.ModuleSpec

    def find_spec(self, name: str, path: object = None, target: object = None) -> "Any":
        """The module's spec, None for a module that is not in the archive."""
        source = self.archive.sources.get(name)
        if source is None:
            return None
        origin = f"{self.parent}/{source[0]}"
        spec = self.make(name, self, origin=origin, is_package=source[1])  # type: ignore[arg-type] # a loader by shape
        spec.has_location = True
        if source[1]:
            spec.submodule_search_locations = [os.path.dirname(origin)]
        return spec

    def create_module(self, spec: object) -> None:
        """The import system makes the module."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the code of a module that is not of the core, or was imported anew."""
        rest = self.archive.rest.get(module.__name__)
        exec(marshal.loads(rest) if rest else dict(self.archive.core)[module.__name__], module.__dict__)

    def load_core(self) -> None:
        """Import the core: what the import system does, less its search and its locks, which are for threads."""
        make = type(sys)
        for name, code in self.archive.core:
            spec, module = self.find_spec(name), make(name)
            space = module.__dict__
            space.update(__spec__=spec, __loader__=self, __file__=spec.origin, __package__=spec.parent)
            if spec.submodule_search_locations:
                space["__path__"] = spec.submodule_search_locations
            sys.modules[name] = module
            exec(code, space)
            above, _, own = name.rpartition(".")
            setattr(sys.modules[above], own, module)


def _file(parent: str) -> str:
    return f"{parent}/shim/__pycache__/hot.{sys.implementation.cache_tag}.bin"


def _magic() -> bytes:
    from _frozen_importlib_external import MAGIC_NUMBER

    return MAGIC_NUMBER + sys.version.encode()


def _read(path: str) -> "Archive | None":
    """The archive in the file; None if it is missing, broken, or another interpreter's."""
    try:
        with open(path, "rb", buffering=0) as file:
            data = file.read()
        magic = _magic()
        return Archive(*marshal.loads(memoryview(data)[len(magic) :])) if data.startswith(magic) else None
    except (OSError, EOFError, ValueError, TypeError):
        return None


def _made_anew(old: "Archive | None", parent: str) -> "Archive | None":
    """A new archive, also written where that is allowed; None where it is not, for it takes a third of a second."""
    if sys.dont_write_bytecode or not os.access(f"{parent}/shim/__pycache__", os.W_OK, effective_ids=True):
        return None
    try:
        archive = build(parent, old)
        _write(_file(parent), archive)
    except (OSError, SyntaxError, ValueError):
        return None  # the ordinary import will say what is wrong
    return archive


def _write(path: str, archive: Archive) -> None:
    beside = f"{path}.{os.getpid()}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with open(handle, "wb") as file:
            file.write(_magic() + marshal.dumps((archive.sources, archive.core, archive.rest)))
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise


def build(parent: str, old: "Archive | None" = None) -> "Archive":
    """The archive for the sources below `parent`; code of unchanged sources is taken from `old`."""
    sources = _sources(parent)
    known: dict[str, CodeType] = {}
    if old:
        known = {**dict(old.core), **{name: marshal.loads(code) for name, code in old.rest.items()}}
    codes: dict[str, CodeType] = {}
    for name, source in sources.items():
        if old and old.sources.get(name) == source:
            codes[name] = known[name]
        else:
            path = f"{parent}/{source[0]}"
            with open(path, "rb") as file:
                codes[name] = compiled(file.read(), path)
    order = _order(codes)
    rest = {name: marshal.dumps(code) for name, code in codes.items() if name not in order}
    return Archive(sources, [(name, codes[name]) for name in order], rest)


def _sources(parent: str) -> "dict[str, Source]":
    found: dict[str, Source] = {}
    for room in ROOMS:
        directory = f"shim/{room}".rstrip("/")
        for file in sorted(os.listdir(f"{parent}/{directory}")):
            path, package = f"{directory}/{file}", file == "__init__.py"
            name = (directory if package else path[: -len(".py")]).replace("/", ".")
            if file.endswith(".py") and name not in ("shim", "shim.hot"):  # these are loaded before
                status = os.stat(f"{parent}/{path}")
                found[name] = (path, package, status.st_mtime_ns, status.st_size)
    return found


def _order(codes: "dict[str, CodeType]") -> "list[str]":
    """The core, each module behind its package and those that it imports at its top."""
    import dis

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


def compiled(source: bytes, path: str) -> "CodeType":
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


def _needed(node: "ast.stmt") -> "list[ast.stmt]":
    import ast

    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return []  # what it says is said to compile()
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return node.orelse
    return [node]


if __name__ == "__main__":
    place = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    os.makedirs(os.path.dirname(_file(place)), exist_ok=True)
    _write(_file(place), build(place))
