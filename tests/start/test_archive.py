"""The package's code in one file: same program, never a stale, damaged or foreign one, and never written by a call."""

from __future__ import annotations

import _imp
import errno
import importlib.util
import marshal
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from integration.capabilities import require, root_problem
from shim.start import archive as code_archive
from shim.start import archive_file
from tests.start.test_imports import is_cold
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULES = "shim, shim.call.entry, shim.planning.plan, shim.host.detect, shim.rules.memory, shim.oci.text"
LAUNCHER = (ROOT / "shim" / "launcher.sh").read_text()
BEGINNING = "import _frozen_importlib_external, _imp, _signal, gc, marshal, posix, sys\n"
# What the launcher gives to Python, except its last line.
START = BEGINNING + LAUNCHER.partition(BEGINNING)[2].partition("archive.main(")[0]
PROGRAM = f"""{START}
archive.use()
import {MODULES}
for name in sorted(name for name in sys.modules if name.startswith("shim.")):
    module = sys.modules[name]
    print(name, type(module.__loader__).__name__, module.__file__, getattr(module, "WHO", ""))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a copy of the package, and all made that installation makes."""
    place = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "shim", place / "shim", ignore=shutil.ignore_patterns("__pycache__"))
    archive_file.make(str(place))
    return place


@pytest.fixture
def parent(installed: Path, tmp_path: Path) -> Path:
    """A copy of it to be changed; the sources' times are as they were."""
    shutil.copytree(installed, tmp_path, dirs_exist_ok=True)
    return tmp_path


def _loaded(parent: Path, program: str = PROGRAM, user: int = 0) -> dict[str, tuple[str, str, str]]:
    """Module -> loader, file and its WHO, in a fresh interpreter as the launcher starts it."""
    argv = [sys.executable, "-BIS", "-X", "utf8", "-c", program, str(parent)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, user=user or None)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    return {name: (loader, file, who) for name, loader, file, who in lines}


def _archive(parent: Path) -> Path:
    return parent / "shim" / "__pycache__" / f"hot.{sys.implementation.cache_tag}.bin"


def _everything(parent: Path) -> dict[str, tuple[int, int, int]]:
    """Each file and directory with its mode, size and time."""
    found = {}
    for path in [parent, *sorted(parent.rglob("*"))]:
        status = path.stat()
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def test_all_comes_from_the_one_file(parent: Path) -> None:
    """Under the names and paths of an ordinary import."""
    found = _loaded(parent)
    assert {loader for loader, _, _ in found.values()} == {"Archive"}
    assert found["shim.rules.memory"][1] == str(parent / "shim/rules/memory.py")
    assert found["shim.host"][1] == str(parent / "shim/host/__init__.py")
    _archive(parent).unlink()
    plain = _loaded(parent)
    assert plain.pop("shim.start.archive")[0] == "SourceFileLoader"
    assert {loader for loader, _, _ in plain.values()} == {"SourceFileLoader"}
    assert [(name, entry[1:]) for name, entry in plain.items()] == [(name, found[name][1:]) for name in plain]


@pytest.mark.parametrize("archive", ["there", "missing", "stale", "damaged"])
@pytest.mark.parametrize("compiled", [True, False], ids=["pyc", "no-pyc"])
def test_a_call_writes_nothing(
    parent: Path, tmp_path_factory: pytest.TempPathFactory, archive: str, compiled: bool
) -> None:
    """No archive, no .pyc, no directory, whatever is missing or does not fit, and with every permission to write."""
    if archive == "missing":
        _archive(parent).unlink()
    elif archive == "stale":
        _kept_time(parent / "shim/oci/text.py")
    elif archive == "damaged":
        _archive(parent).write_bytes(b"damaged")
    if not compiled:
        for cache in (path for path in parent.rglob("__pycache__") if path != _archive(parent).parent):
            shutil.rmtree(cache)
    before = _everything(parent)
    beside = tmp_path_factory.mktemp("beside")
    words = ["--log", str(beside / "log"), "create", "--bundle", str(beside / "none"), "c1"]
    environment = {"CGSHIM_RUNTIME": "/bin/true", "CGSHIM_CONFIG": str(beside / "none"), "CGSHIM_STATE": str(beside)}
    argv = ["/bin/sh", str(parent / "shim/launcher.sh"), *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment, umask=0)
    assert "[bad-bundle]" in done.stderr
    assert _everything(parent) == before


def test_what_is_made_belongs_to_nobody_else(parent: Path) -> None:
    """Under umask 0, too, neither a directory nor a file can be written to by others."""
    for cache in parent.rglob("__pycache__"):
        shutil.rmtree(cache)
    command = [sys.executable, "-I", "-B", "-c", MAKING, str(parent)]
    subprocess.run(command, check=True, umask=0)
    made = [path for cache in parent.rglob("__pycache__") for path in (cache, *cache.iterdir())]
    assert len(made) > 100
    assert [str(path) for path in made if path.stat().st_mode & 0o022] == []


MAKING = f"import sys; sys.path.insert(0, sys.argv[1]); import {archive_file.__name__} as made; made.main()"


def _kept_size(path: Path) -> None:
    before, mark = path.stat(), 'WHO = "new"\n'
    # As many bytes as the mark has are taken out of the docstring.
    path.write_text('"""' + path.read_text()[3 + len(mark) :] + mark)
    assert path.stat().st_size == before.st_size


def _kept_time(path: Path) -> None:
    before = path.stat()
    path.write_text(path.read_text() + 'WHO = "new"\n')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [_kept_size, _kept_time], ids=["another-time", "another-size"])
def test_changed_source_counts_at_once(parent: Path, change: Callable[[Path], None]) -> None:
    """A source of another time or size is never answered from the file; the ordinary import has it."""
    assert _loaded(parent)["shim.oci.text"][2] == ""
    change(parent / "shim/oci/text.py")
    found = _loaded(parent)
    assert found["shim.oci.text"][::2] == ("SourceFileLoader", "new")
    assert {loader for loader, _, _ in found.values()} == {"SourceFileLoader"}
    archive_file.make(str(parent))
    assert _loaded(parent)["shim.oci.text"][::2] == ("Archive", "new")


def test_changed_loader_counts_at_once(parent: Path) -> None:
    """shim.start.archive, whose code the file has, too, is the source's when that has changed."""
    assert "shim.start.archive" not in _loaded(parent)
    _kept_time(parent / "shim/start/archive.py")
    assert _loaded(parent)["shim.start.archive"] == ("SourceFileLoader", str(parent / "shim/start/archive.py"), "new")


FOREIGN = 54321
# name -> what makes it another's: (owner of the file, owner of the package's directory, mode), and whether it is used
OWNERS = {
    "root's": (0, 0, 0o644, True),
    "root's-in-a-user's-directory": (0, FOREIGN, 0o644, True),
    "the-user's-in-their-own-directory": (FOREIGN, FOREIGN, 0o644, True),
    "another's": (FOREIGN, 0, 0o644, False),
    "for-the-group-to-write": (0, 0, 0o664, False),
    "for-all-to-write": (0, 0, 0o646, False),
}


@pytest.mark.parametrize(("owner", "above", "mode", "used"), OWNERS.values(), ids=list(OWNERS))
def test_only_the_owners_file_is_used(parent: Path, owner: int, above: int, mode: int, used: bool) -> None:
    """Code that somebody else could have written is passed over."""
    require("root", root_problem())
    os.chown(_archive(parent), owner, owner)
    os.chown(parent, above, above)
    _archive(parent).chmod(mode)
    assert _loaded(parent)["shim.call.entry"][0] == ("Archive" if used else "SourceFileLoader")


def _content(value: Any, magic: bytes = importlib.util.MAGIC_NUMBER, length: int = 0) -> bytes:
    core = marshal.dumps(value)
    size = length or len(core)
    return (magic + _imp.source_hash(code_archive.HEAD + len(core), core) + b"%d" % size).ljust(
        code_archive.HEAD
    ) + core


GONE = {"shim.x": ("shim/x.py", False, 1, 2)}
OWN = archive_file.compiled((ROOT / "shim/start/archive.py").read_bytes(), "code_archive.py")
NO_ARCHIVES = {
    "empty": b"",
    "noise": b"\xff\xfe\x00no table",
    "head-alone": _content(0)[: code_archive.HEAD],
    "head-without-a-size": _content(0)[:12].ljust(code_archive.HEAD) + marshal.dumps(0),
    "endless": _content(0, length=1 << 66),
    "longer-than-memory": _content(0, length=1 << 50),
    "another-interpreter": _content((OWN, {}, [], {}), magic=b"\x01\x02\r\n"),
    "an-earlier-release": sys.version.encode().ljust(256) + marshal.dumps(({}, [], {})),
    "another-shape": _content([1, 2]),
    "of-a-file-that-is-gone": _content((OWN, GONE, [], {})),
}


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=list(NO_ARCHIVES))
def test_file_that_is_no_archive_is_passed_over(parent: Path, content: bytes) -> None:
    """Whatever lies under the name, the program runs, and the file stays as it is."""
    _archive(parent).write_bytes(content)
    assert _loaded(parent)["shim.call.entry"][0] == "SourceFileLoader"
    assert _archive(parent).read_bytes() == content


def _ends_well(parent: Path) -> int:
    """The wait status of a fresh process that loads the core and one module of the rest, 0 if it has what it needs."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        for name in [name for name in sys.modules if name.split(".")[0] == "shim"]:
            del sys.modules[name]
        sys.argv[1:] = [str(parent)]
        space: dict[str, Any] = {}
        exec(f"{START}\narchive.use()\nimport shim.rules.unified, shim.planning.plan", space)
        os._exit(0 if space["shim"].planning.plan.make_plan else 1)
    finally:
        os._exit(2)


SAMPLES = 60


def test_no_damage_ends_a_call(parent: Path) -> None:
    """Cut anywhere or with any bit flipped: the program runs. The bytes are spread evenly, the head's are all there."""
    whole = _archive(parent).read_bytes()
    assert _ends_well(parent) == 0
    steps = range(0, len(whole), len(whole) // SAMPLES)
    damaged = [whole[:end] for end in (*range(code_archive.HEAD + 2), *steps)]
    for count, place in enumerate((*range(code_archive.HEAD), *steps)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << count % 8
        damaged.append(bytes(flipped))
    handle = os.open(_archive(parent), os.O_WRONLY)
    for content in damaged:
        os.ftruncate(handle, len(content))
        os.pwrite(handle, content, 0)
        assert _ends_well(parent) == 0, len(content)
    os.close(handle)
    assert len(damaged) > 2 * SAMPLES


def test_damage_in_the_rest_costs_that_module_alone(parent: Path) -> None:
    """The core is still taken from the file; the damaged module is imported from its source."""
    content = bytearray(_archive(parent).read_bytes())
    size = int(content[12 : code_archive.HEAD])
    rest = marshal.loads(content[code_archive.HEAD : code_archive.HEAD + size])[3]
    offset, length, _ = rest["shim.rules.unified"]
    content[code_archive.HEAD + size + offset + length // 2] ^= 1
    _archive(parent).write_bytes(content)
    found = _loaded(parent, PROGRAM.replace(f"import {MODULES}", "import shim.rules.unified, shim.planning.plan"))
    assert (found["shim.rules.unified"][0], found["shim.planning.plan"][0]) == ("SourceFileLoader", "Archive")


def test_broken_source_makes_no_file(parent: Path) -> None:
    """No file is made of a package that cannot be compiled; the error names the source, and the old file stays."""
    before = _archive(parent).read_bytes()
    (parent / "shim/planning/plan.py").write_text("def\n")
    with pytest.raises(SyntaxError, match=r"plan\.py"):
        archive_file.make(str(parent))
    assert _archive(parent).read_bytes() == before
    assert [path.name for path in _archive(parent).parent.iterdir() if ".bin." in path.name] == []


def test_full_disk_leaves_the_old_file(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half written takes the name, and nothing is left beside it."""
    before = _archive(parent).read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        archive_file.make(str(parent))
    assert _archive(parent).read_bytes() == before
    assert [path.name for path in _archive(parent).parent.iterdir() if ".bin." in path.name] == []


def test_core_comes_in_the_order_of_its_imports(parent: Path) -> None:
    """Each module of the core stands behind its package; all that is named for it exists, and more comes with it."""
    content = _archive(parent).read_bytes()
    core = marshal.loads(content[code_archive.HEAD : code_archive.HEAD + int(content[12 : code_archive.HEAD])])[2]
    order = [name for name, _ in core]
    assert set(archive_file.CORE) < set(order)
    assert len(order) == len(set(order))
    assert [name for name in order if name.rpartition(".")[0] not in ("", *order[: order.index(name)])] == []
    assert order.index("shim.values") < order.index("shim.rules.base") < order.index("shim.planning.plan")
    assert "shim.rules.unified" not in order
    assert [name for name in order if is_cold(name)] == []


def test_rest_is_loaded_when_it_is_asked_for(parent: Path) -> None:
    """A module outside the core comes from the file, too, but not before it is imported."""
    program = PROGRAM.replace(f"import {MODULES}", "import shim.rules.unified")
    asked, unasked = _loaded(parent, program), _loaded(parent)
    assert asked["shim.rules.unified"] == ("Archive", str(parent / "shim/rules/unified.py"), "")
    assert "shim.rules.unified" not in unasked


def test_changed_module_of_the_rest_counts_at_once(parent: Path) -> None:
    """It is imported from its source, while the core, which is as it was, still comes from the file."""
    program = PROGRAM.replace(f"import {MODULES}", "import shim.rules.unified, shim.planning.plan")
    assert _loaded(parent, program)["shim.rules.unified"][0] == "Archive"
    before = _archive(parent).read_bytes()
    _kept_size(parent / "shim/rules/unified.py")
    found = _loaded(parent, program)
    assert (found["shim.rules.unified"][::2], found["shim.planning.plan"][0]) == (
        ("SourceFileLoader", "new"),
        "Archive",
    )
    assert _archive(parent).read_bytes() == before


def test_compiled_code_keeps_fields_and_lines() -> None:
    """Docstrings, annotated types and guarded imports go; the names of fields and line numbers stay."""
    source = b'''"""About."""
from __future__ import annotations
TYPE_CHECKING = False
if TYPE_CHECKING:
    from nowhere import Any
else:
    Other = 1

class Point:
    """A point."""
    x: Any
    y: int = 0

def f(a: Any, *b: Any) -> Any:
    """About f."""
    raise LookupError

made: int = 3
'''
    space: dict[str, Any] = {}
    exec(archive_file.compiled(source, "/there.py"), space)
    assert space["Other"] == 1
    assert list(space["Point"].__annotations__) == ["x", "y"]
    assert (space["Point"].y, space["made"], "__annotations__" in space) == (0, 3, False)
    function = space["f"]
    assert callable(function)
    assert (function.__doc__, function.__annotations__) == (None, {})
    with pytest.raises(LookupError) as caught:
        function(1)
    assert [(str(entry.path), entry.lineno + 1) for entry in caught.traceback][-1] == ("/there.py", 16)


def test_command_makes_the_file(parent: Path) -> None:
    """`python3 -m shim.start.archive_file` makes it, also where there was no __pycache__ yet."""
    shutil.rmtree(parent / "shim" / "__pycache__")
    subprocess.run([sys.executable, "-B", "-m", "shim.start.archive_file"], cwd=parent, check=True)
    assert _loaded(parent)["shim.call.entry"][0] == "Archive"


@pytest.fixture
def archive(parent: Path) -> Iterator[code_archive.Archive]:
    """The archive, opened in this process as the launcher opens it."""
    handle = os.open(_archive(parent), os.O_RDONLY)
    head = os.read(handle, code_archive.HEAD)
    core = os.read(handle, int(head[12:]))
    assert head[:4] == importlib.util.MAGIC_NUMBER
    assert head[4:12] == _imp.source_hash(os.fstat(handle).st_size, core)
    yield code_archive.opened(str(parent), handle, marshal.loads(core)[1:])
    os.close(handle)


def test_a_module_is_found(parent: Path, archive: code_archive.Archive) -> None:
    """Its spec says where it would be; what is not in the archive is the others' to find."""
    for name, package in (("shim.rules.unified", False), ("shim.rules", True), ("shim.planning.plan", False)):
        spec = archive.find_spec(name)
        assert (spec.name, spec.loader, spec.has_location) == (name, archive, True)
        assert spec.origin == f"{parent}/{name.replace('.', '/')}{'/__init__' if package else ''}.py"
        assert spec.submodule_search_locations == ([f"{parent}/shim/rules"] if package else None)
        assert isinstance(spec.loader_state, CodeType)
    for name in ("shim.cli.main", "shim.start.archive_file", "json", "shim.nothing"):
        assert archive.find_spec(name) is None


def test_a_module_is_run(parent: Path, archive: code_archive.Archive) -> None:
    """As the import system does it: made from the spec, then executed."""
    module = importlib.util.module_from_spec(archive.find_spec("shim.rules.sizes"))
    archive.exec_module(module)
    assert module.__file__ == f"{parent}/shim/rules/sizes.py"
    assert len(vars(module)) > 8


def test_imports_by_keyword(parent: Path, archive: code_archive.Archive) -> None:
    """The standard library (encodings, for one) calls __import__ with the names that its documentation gives."""
    asked: list[tuple[object, ...]] = []

    def full(*arguments: object) -> ModuleType:
        asked.append(arguments)
        return sys

    for stands_in in (code_archive._loaded(full), archive._found(full)):
        stands_in("encodings.nothing", globals={}, locals={}, fromlist=("*",), level=0)
    assert asked == [("encodings.nothing", {}, {}, ("*",), 0)] * 2


def test_what_has_changed_is_not_found(parent: Path, archive: code_archive.Archive) -> None:
    """A source that is gone or another one; and damage in the file."""
    _kept_size(parent / "shim/rules/unified.py")
    (parent / "shim/rules/rdma.py").unlink()
    assert [archive.find_spec(f"shim.rules.{name}") for name in ("unified", "rdma")] == [None, None]
    offset, length, seal = archive.rest["shim.rules.hugetlb"]
    assert archive.code("shim.rules.hugetlb")
    archive.rest["shim.rules.hugetlb"] = (offset + 1, length, seal)
    assert archive.code("shim.rules.hugetlb") is None
    assert archive.find_spec("shim.rules.hugetlb") is None


@pytest.mark.parametrize("name", ["shim/start/archive.py", "shim/planning/plan.py", "shim/rules/base.py"])
def test_core_that_has_changed(parent: Path, archive: code_archive.Archive, name: str) -> None:
    """Nothing of such an archive is used."""
    _kept_time(parent / name)
    content = archive.sources, archive.core, archive.rest
    with pytest.raises(OSError, match="has changed"):
        code_archive.opened(str(parent), archive.file, content)


def test_program_without_an_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """`use` does nothing, and `main` runs the module's own main; an error at import is told."""
    monkeypatch.setattr(code_archive, "fitting", None)
    monkeypatch.setattr(code_archive, "die_of_interrupts", lambda: None)
    before = list(sys.meta_path)
    code_archive.use()
    assert sys.meta_path == before
    ran: list[str] = []
    made = type(sys)("made_for_a_test")
    made.main = lambda: ran.append("main")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_for_a_test", made)
    code_archive.main("made_for_a_test")
    assert ran == ["main"]

    def told(error: Exception, module: str) -> None:
        ran.extend((str(error), module))
        raise SystemExit

    monkeypatch.setattr("shim.start.import_fault.tell", told)
    with pytest.raises(SystemExit):
        code_archive.main("no_such_module_at_all")
    assert ran[1:] == ["No module named 'no_such_module_at_all'", "no_such_module_at_all"]


def test_a_rest_that_cannot_be_read_is_imported(archive: code_archive.Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO while a module of the rest is read: the ordinary import does."""

    def fail(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("posix.pread", fail)
    assert archive.code("shim.rules.unified") is None
    assert archive.find_spec("shim.rules.unified") is None


def test_interrupts() -> None:
    """Only Python's own handler is taken away."""
    before = signal.getsignal(signal.SIGINT)
    try:
        for found, left in ((signal.default_int_handler, signal.SIG_DFL), (signal.SIG_IGN, signal.SIG_IGN)):
            signal.signal(signal.SIGINT, found)
            code_archive.die_of_interrupts()
            assert signal.getsignal(signal.SIGINT) == left
    finally:
        signal.signal(signal.SIGINT, before)
