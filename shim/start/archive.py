"""The package's code in one file: `__pycache__/hot.TAG.bin`, which replaces fifty `.pyc` files.

An ordinary import searches directories, then opens, checks and reads a file: fourteen system calls and 0.2 ms, fifty
times for every `create`. The archive holds the code that every `create` needs (the core) in one block, which is read at
once and executed in order without the import system. The other modules stay in the file until they are imported.

A call never writes code. The installation creates the file (`cgshimctl compile`, which the Debian package and
`cgshimctl engine install` call), and a call uses it only if all of this holds. Otherwise it imports the modules one by
one, as Python does:
- it belongs to root or to the owner of the package's directory, and its mode is 0644 (33188 with the file type);
- its head has the magic number of this interpreter's code, and a hash of the file's length and of the block that is
  read at once. Damaged code would crash the interpreter instead of raising an error, so the hash is checked before
  unmarshalling. It is the hash of Python's own `.pyc` files (`_imp.source_hash`, SipHash), which every interpreter has
  built in, unlike zlib; it takes 0.05 ms;
- every source still has the size and the modification time, in nanoseconds, of the one that was compiled. Sources of
  the core are checked before the core is used, the others when they are imported.

The file has three parts: HEAD bytes (4 of the magic number, 8 of the hash, the length of the second part in decimals,
spaces); this module's code, the lists of contents and the core's code; the code of the others, each with a hash of
its own in the lists.
"""

# No `from __future__ import annotations` here: it would be the only module to load `__future__` (0.25 ms), and Python
# 3.6 does not have it. Annotations that are more than a built-in type are therefore quoted.
import _imp
import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import CodeType, ModuleType
    from typing import Any, Callable

    Source = tuple[str, bool, int, int]  # relative path, whether it is a package, time in ns, bytes
    Place = tuple[int, int, bytes]  # offset of a module's code in the file's last part, its length, its hash
    Content = tuple[dict[str, Source], list[tuple[str, CodeType]], dict[str, Place]]  # sources, core and rest
else:
    import _signal as signal  # the `signal` module proper imports enum: 4 ms

HERE = "shim.start.archive"
OLDEST = (3, 7)  # the oldest Python; `main` rejects older ones, of which 3.6 can still parse this module
HEAD = 32  # bytes before the second part
fitting: "Archive | None" = None  # set by the launcher


def main(module: str) -> None:
    """Run `main` of a module of the package or of `hooks`. The launcher has already imported this module.

    If the package cannot be loaded, report that on the engine's channel instead of with a traceback.
    """
    die_of_interrupts()
    if sys.version_info < OLDEST:
        from shim.start.import_fault import refuse_python

        refuse_python(OLDEST, module)
    try:
        use()
        run = __import__(module, None, None, ("main",)).main
    except Exception as error:  # noqa: BLE001 # whatever it is, it must be reported
        from shim.start.import_fault import tell

        tell(error, module)
    run()


def die_of_interrupts() -> None:
    """Let Ctrl-C end this process silently, as it ends the runtime; Python's own handler prints a traceback.

    The launcher's first line does so, too: reading the archive takes milliseconds.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def opened(parent: str, file: int, content: "Content") -> "Archive":
    """Return the archive in `file`, read up to its last part. Raises OSError if a source of the core has changed.

    content: sources, core and rest, as Archive has them. The launcher has compared the hash.
    """
    archive = Archive(parent, file, content)
    for name in (HERE, *[name for name, _ in archive.core]):
        if not is_current(archive.sources[name], parent):
            raise OSError(f"{name} has changed")
    return archive


def is_current(source: "Source", parent: str) -> bool:
    """Return whether the file is the one that was compiled."""
    try:
        found = posix.stat(f"{parent}/{source[0]}")
    except OSError:
        return False
    return found.st_mtime_ns == source[2] and found.st_size == source[3]


def use() -> None:
    """Import the package's modules from the archive if it is valid."""
    if fitting is not None:
        sys.meta_path.insert(0, fitting)
        fitting.load_core()


class Archive:
    """What the file holds. Finds and loads modules, like importlib.abc's MetaPathFinder and Loader, which cost 5 ms.

    parent: the directory that contains the package. file: an open descriptor, because a new file may take the name
    meanwhile. start: offset of the last part. sources: module -> the source it was compiled from. core: (module, code),
    each behind the modules that it imports. rest: the other modules.
    """

    def __init__(self, parent: str, file: int, content: "Content") -> None:
        self.parent = parent
        self.file = file
        self.start = posix.lseek(file, 0, 1)  # SEEK_CUR, which posix lacks
        self.sources, self.core, self.rest = content

    def code(self, name: str) -> "CodeType | None":
        """Return the code of a module; None if it is damaged or cannot be read."""
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

    def find_spec(self, name: str, path: object = None, target: object = None) -> "Any":
        """Return the module's spec; None if the archive does not have the module, or its code is damaged or out of
        date.
        """
        source = self.sources.get(name)
        code = self.code(name) if source and is_current(source, self.parent) else None
        if source is None or code is None:
            return None
        origin = f"{self.parent}/{source[0]}"
        make = type(sys.__spec__)  # importlib.machinery.ModuleSpec
        spec = make(name, self, origin=origin, is_package=source[1])  # type: ignore[arg-type] # a loader by shape
        spec.has_location, spec.loader_state = True, code
        if source[1]:
            spec.submodule_search_locations = [origin.rpartition("/")[0]]
        return spec

    def create_module(self, spec: object) -> None:
        """Leave the creation of the module to the import system."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the code of a module outside the core, or of one that is imported again."""
        exec(module.__spec__.loader_state, module.__dict__)  # type: ignore[union-attr] # set by find_spec

    def load_core(self) -> None:
        """Import the core. This does what the import system does, except for its search and its locks, which threads
        need.

        Modules of the archive that the core imports later are loaded in the same way, for a third of the usual cost.
        """
        import builtins

        full = builtins.__import__
        builtins.__import__ = _loaded(full)
        try:
            for name, code in self.core:
                self._load(name, code)
            full = self._found(full)
        finally:
            builtins.__import__ = full

    def _load(self, name: str, code: "CodeType") -> None:
        source, module = self.sources[name], type(sys)(name)
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
        """Return an `__import__` for the core that looks into the archive first and leaves other modules to the import
        system.
        """
        modules = sys.modules

        def load(name: str) -> bool:
            """Load the module if the archive has it; return whether it is loaded."""
            if name in modules:
                return True
            if name not in self.rest or name.rpartition(".")[0] not in modules:
                return False
            code = self.code(name) if is_current(self.sources[name], self.parent) else None
            if code:
                self._load(name, code)
            return bool(code)

        # Parameter names are those of __import__: the standard library passes `fromlist` and `level` by keyword.
        def from_archive(
            name: str,
            globals: object = None,  # noqa: A002
            locals: object = None,  # noqa: A002
            fromlist: "tuple[str, ...]" = (),
            level: int = 0,
        ) -> "ModuleType":
            if fromlist and name in self.sources:
                package = self.sources[name][1]
                # What a package has besides modules is left to the import system.
                if load(name) and not (package and [own for own in fromlist if not load(f"{name}.{own}")]):
                    return modules[name]
            return full(name, globals, locals, fromlist, level)

        return from_archive


def _loaded(full: "Callable[..., ModuleType]") -> "Callable[..., ModuleType]":
    """Return an `__import__` for `from` imports of loaded modules, which all imports among the core's modules are.

    The import system would look for submodules first and raise an exception inside for every module that is not a
    package: two microseconds, two hundred times.
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
