"""The package's code in one file: `__pycache__/hot.TAG.bin` in the place of fifty `.pyc` files.

An ordinary import looks a module up in a directory, opens, checks and reads its file: fourteen system calls and a
fifth of a millisecond, fifty times at every `create`. Here the code that every `create` needs (the core) comes with
one read and is run in its order without the import system's help; the rest stays in the file until it is asked for.
The file is used under the rule that Python has for its own `.pyc`, only stricter: same interpreter, and every source
has the size and the time, to the nanosecond, that it was made from. What does not fit is made anew (shim.hot_file)
where that is allowed, as Python does, and else the modules are imported one by one.

`python3 -m shim.hot` makes the file, for a prefix that will be read-only.
"""

# No `from __future__ import annotations` in this one: it would be the only module to load `__future__`, a quarter of a
# millisecond. So annotations that are more than a built-in type stand in quotes.
import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, Callable

    Source = tuple[str, bool, int, int]  # path below the parent, is it a package, time in nanoseconds, size in bytes
    Place = tuple[int, int]  # where a module's code is: behind the first part of the file, and its length

LENGTH = 8  # bytes of the number that stands between the magic and the first part: that part's length


def use(parent: str) -> None:
    """Take the modules below `parent`, the directory that contains the package, from one file where there is one."""
    archive = read(path_below(parent))
    if archive is None or not archive.fits(parent):
        from shim import hot_file

        archive = hot_file.made_anew(archive, parent)
    if archive:
        finder = Finder(archive, parent)
        sys.meta_path.insert(0, finder)
        finder.load_core()


class Archive:
    """What the file holds.

    sources: module -> what it was made from. core: (module, code), each behind those that it imports.
    rest: the other modules. file: a descriptor, kept open because a new file may take the name meanwhile. start: where
    the rest begins in it.
    """

    def __init__(
        self,
        sources: "dict[str, Source]",
        core: "list[tuple[str, CodeType]]",
        rest: "dict[str, Place]",
        file: int,
        start: int,
    ) -> None:
        self.sources = sources
        self.core = core
        self.rest = rest
        self.file = file
        self.start = start

    def fits(self, parent: str) -> bool:
        """Is every source the one that the archive was made from."""
        stat = posix.stat
        try:
            for path, _, time, size in self.sources.values():
                found = stat(f"{parent}/{path}")
                if found.st_mtime_ns != time or found.st_size != size:
                    return False
        except OSError:
            return False
        return True

    def code(self, name: str) -> "CodeType":
        """The code of any module."""
        if name not in self.rest:
            return dict(self.core)[name]
        offset, length = self.rest[name]
        code: CodeType = marshal.loads(posix.pread(self.file, length, self.start + offset))
        return code


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
            spec.submodule_search_locations = [origin.rpartition("/")[0]]
        return spec

    def create_module(self, spec: object) -> None:
        """The import system makes the module."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the code of a module that is not of the core, or was imported anew."""
        exec(self.archive.code(module.__name__), module.__dict__)

    def load_core(self) -> None:
        """Import the core: what the import system does, less its search and its locks, which are for threads."""
        import builtins

        full = builtins.__import__
        builtins.__import__ = _loaded(full)
        try:
            self._load_core()
        finally:
            builtins.__import__ = full

    def _load_core(self) -> None:
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


def _loaded(full: "Callable[..., ModuleType]") -> "Callable[..., ModuleType]":
    """`from` imports of what is loaded already, as everything is that the core's modules import from each other.

    The import system looks for submodules first and makes an exception of each module that is no package: two
    microseconds, two hundred times.
    """
    modules = sys.modules

    def from_loaded(
        name: str, space: object = None, local: object = None, wanted: "tuple[str, ...]" = (), level: int = 0
    ) -> "ModuleType":
        return modules[name] if wanted and name in modules else full(name, space, local, wanted, level)

    return from_loaded


def path_below(parent: str) -> str:
    """Where the file is."""
    return f"{parent}/shim/__pycache__/hot.{sys.implementation.cache_tag}.bin"


def magic() -> bytes:
    """What the file begins with: this interpreter, and no other."""
    from _frozen_importlib_external import MAGIC_NUMBER

    return MAGIC_NUMBER + sys.version.encode()


def read(path: str) -> "Archive | None":
    """The archive in the file; None if it is missing, broken, or another interpreter's."""
    own = magic()
    start = len(own) + LENGTH
    try:
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return None
    try:
        head = posix.read(file, start)
        length = int.from_bytes(head[len(own) :], "little")
        if head.startswith(own):
            sources, core, rest = marshal.loads(posix.read(file, length))
            return Archive(sources, core, rest, file, start + length)
    except (OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError):
        pass  # whatever it is, it is not ours; an earlier release's has no length there, but something huge
    posix.close(file)
    return None


if __name__ == "__main__":
    from shim import hot_file

    hot_file.main()
