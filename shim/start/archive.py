"""The package's code in one file: `__pycache__/hot.TAG.bin` in the place of fifty `.pyc` files.

An ordinary import looks a module up in a directory, opens, checks and reads its file: fourteen system calls and a
fifth of a millisecond, fifty times at every `create`. Here the code that every `create` needs (the core) comes with
one read and is run in its order without the import system's help; the rest stays in the file until it is asked for.

A call never writes code. Whoever installs makes the file (`cgshimctl compile`, which the Debian package and `cgshimctl
engine install` call), and a call takes it only if all of this holds; else it imports module by module, as ever:
- it belongs to root or to the owner of the directory with the package, and its mode is 0644 (33188 with its kind);
- its head has the magic number of this interpreter's code, and the hash of the file's length and of all that is read at
  once. Damaged code would not raise an error but kill the interpreter, so this comes before unmarshalling. The hash is
  what Python has for its own `.pyc` (`_imp.source_hash`, SipHash): built in everywhere, unlike zlib, 0.05 ms here;
- every source has the size and the time, to the nanosecond, that it was made from: those of the core are looked at
  before it is used, the others when they are asked for.

The file has three parts: HEAD bytes (4 of the magic number, 8 of the hash, the length of the second part in decimals,
spaces); this module's code, the lists of contents and the core's code; the code of the others, each with a hash of
its own in the lists.
"""

# No `from __future__ import annotations` in this one: it would be the only module to load `__future__`, a quarter of a
# millisecond, and Python 3.6 has none. So annotations that are more than a built-in type stand in quotes.
import _imp
import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, Callable

    Source = tuple[str, bool, int, int]  # path below the parent, is it a package, time in nanoseconds, size in bytes
    Place = tuple[int, int, bytes]  # where a module's code is in the file's last part, its length, its hash

HERE = "shim.start.archive"
OLDEST = (3, 7)  # Python; older ones, from 3.6 on, can read this module, and get to know it by what `main` says
HEAD = 32  # bytes before the second part
fitting: "Archive | None" = None  # what the launcher found


def main(module: str) -> None:
    """Run `main` of a module of the package or of `hooks`: the program, once the launcher has found this module.

    A package that cannot be loaded is a message on the engine's channel, too, and no traceback.
    """
    if sys.version_info < OLDEST:
        from shim.start.import_fault import refuse_python

        refuse_python(OLDEST)
    try:
        use(sys.path[0])
        run = __import__(module, None, None, ("main",)).main
    except Exception as error:  # noqa: BLE001 # whatever it is, it must be told
        from shim.start.import_fault import tell

        tell(error)
    run()


def opened(parent: str, file: int, content: "list[Any]") -> "Archive":
    """The archive in `file`, read up to its last part; OSError if a source of the core is not the one it was made from.

    content: sources, core and rest, as Archive has them. The launcher has compared the hash.
    """
    archive = Archive(file, posix.lseek(file, 0, 1), *content)  # 1: SEEK_CUR, which posix lacks
    for name in (HERE, *[name for name, _ in archive.core]):
        if not is_current(archive.sources[name], parent):
            raise OSError(f"{name} has changed")
    return archive


def is_current(source: "Source", parent: str) -> bool:
    """Is the file the one that the code was made from."""
    try:
        found = posix.stat(f"{parent}/{source[0]}")
    except OSError:
        return False
    return found.st_mtime_ns == source[2] and found.st_size == source[3]


def use(parent: str) -> None:
    """Take the modules below `parent`, the directory that contains the package, from the archive where there is one."""
    if fitting is not None:
        finder = Finder(fitting, parent)
        sys.meta_path.insert(0, finder)
        finder.load_core()


class Archive:
    """What the file holds.

    file: a descriptor, kept open because a new file may take the name meanwhile. start: where the last part begins.
    sources: module -> what it was made from. core: (module, code), each behind those that it imports.
    rest: the other modules.
    """

    def __init__(
        self,
        file: int,
        start: int,
        sources: "dict[str, Source]",
        core: "list[tuple[str, CodeType]]",
        rest: "dict[str, Place]",
    ) -> None:
        self.file = file
        self.start = start
        self.sources = sources
        self.core = core
        self.rest = rest

    def code(self, name: str) -> "CodeType | None":
        """The code of any module; None if it is damaged or cannot be read."""
        if name not in self.rest:
            return dict(self.core)[name]
        offset, length, seal = self.rest[name]
        try:
            data = posix.pread(self.file, length, self.start + offset)
        except OSError:
            return None
        if _imp.source_hash(length, data) != seal:
            return None
        code: CodeType = marshal.loads(data)
        return code


class Finder:
    """Finds and loads the modules of an archive (as importlib.abc's MetaPathFinder and Loader, which cost 5 ms)."""

    def __init__(self, archive: Archive, parent: str) -> None:
        self.archive = archive
        self.parent = parent
        self.make = type(sys.__spec__)  # importlib.machinery.ModuleSpec

    def find_spec(self, name: str, path: object = None, target: object = None) -> "Any":
        """The module's spec, None for a module that is not in the archive, is damaged there, or is another one now."""
        source = self.archive.sources.get(name)
        code = self.archive.code(name) if source and is_current(source, self.parent) else None
        if source is None or code is None:
            return None
        origin = f"{self.parent}/{source[0]}"
        spec = self.make(name, self, origin=origin, is_package=source[1])  # type: ignore[arg-type] # a loader by shape
        spec.has_location, spec.loader_state = True, code
        if source[1]:
            spec.submodule_search_locations = [origin.rpartition("/")[0]]
        return spec

    def create_module(self, spec: object) -> None:
        """The import system makes the module."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the code of a module that is not of the core, or was imported again."""
        exec(module.__spec__.loader_state, module.__dict__)  # type: ignore[union-attr] # find_spec has put it there

    def load_core(self) -> None:
        """Import the core: what the import system does, less its search and its locks, which are for threads.

        What is imported later from the archive's other modules comes in the same way: a third of the cost.
        """
        import builtins

        full = builtins.__import__
        builtins.__import__ = _loaded(full)
        try:
            for name, code in self.archive.core:
                self._load(name, code)
            full = self._found(full)
        finally:
            builtins.__import__ = full

    def _load(self, name: str, code: "CodeType") -> None:
        source, module = self.archive.sources[name], type(sys)(name)
        above, _, own = name.rpartition(".")
        space = module.__dict__
        space.update(__loader__=self, __file__=f"{self.parent}/{source[0]}", __package__=above)
        if source[1]:
            space.update(__package__=name, __path__=[f"{self.parent}/{name.replace('.', '/')}"])
        sys.modules[name] = module
        try:
            exec(code, space)
        except BaseException:
            del sys.modules[name]
            raise
        if above:
            setattr(sys.modules[above], own, module)

    def _found(self, full: "Callable[..., ModuleType]") -> "Callable[..., ModuleType]":
        """`from` imports that look into the archive first; what it has not, the import system finds."""
        modules, archive = sys.modules, self.archive

        def load(name: str) -> None:
            if name in archive.rest and name not in modules and is_current(archive.sources[name], self.parent):
                code = archive.code(name)
                if code:
                    self._load(name, code)

        # The names are those of __import__ itself: the standard library gives `fromlist` and `level` by name.
        def from_archive(
            name: str,
            globals: object = None,  # noqa: A002
            locals: object = None,  # noqa: A002
            fromlist: "tuple[str, ...]" = (),
            level: int = 0,
        ) -> "ModuleType":
            if fromlist and name in archive.rest and name.rpartition(".")[0] in modules:
                load(name)
            if fromlist and name in modules and name in archive.sources:
                if not archive.sources[name][1]:
                    return modules[name]
                for own in fromlist:  # modules of a package, or names in it: the import system sees to the latter
                    load(f"{name}.{own}")
            return full(name, globals, locals, fromlist, level)

        return from_archive


def _loaded(full: "Callable[..., ModuleType]") -> "Callable[..., ModuleType]":
    """`from` imports of what is loaded already, as everything is that the core's modules import from each other.

    The import system looks for submodules first and makes an exception of each module that is no package: two
    microseconds, two hundred times.
    """
    modules = sys.modules

    def from_loaded(
        name: str,
        globals: object = None,  # noqa: A002 # the names of __import__ itself
        locals: object = None,  # noqa: A002
        fromlist: "tuple[str, ...]" = (),
        level: int = 0,
    ) -> "ModuleType":
        return modules[name] if fromlist and name in modules else full(name, globals, locals, fromlist, level)

    return from_loaded
