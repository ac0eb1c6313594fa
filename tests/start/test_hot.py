"""The package's code in one file: same program, never a stale one, and no harm where it cannot be made."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shim.start import hot, hot_file
from tests.start.test_imports import is_cold
from tests.syntax import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = "shim, shim.call.entry, shim.planning.plan, shim.host.detect, shim.rules.memory, shim.oci.text"
LAUNCHER = (ROOT / "shim" / "launcher.sh").read_text()
BEGINNING = "import marshal, posix, sys\n"
# What the launcher gives to Python, but for its last line.
START = BEGINNING + LAUNCHER.partition(BEGINNING)[2].partition("hot.main(")[0]
PROGRAM = f"""{START}
hot.use(sys.path[0])
import {MODULES}
for name in sorted(name for name in sys.modules if name.startswith("shim.")):
    module = sys.modules[name]
    print(name, type(module.__loader__).__name__, module.__file__, getattr(module, "WHO", ""))
"""


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A directory with a copy of the package."""
    shutil.copytree(ROOT / "shim", tmp_path / "shim", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "shim" / "__pycache__").mkdir()
    return tmp_path


def _loaded(parent: Path, program: str = PROGRAM) -> dict[str, tuple[str, str, str]]:
    """Module -> loader, file and its WHO, in a fresh interpreter as the launcher starts it."""
    argv = [sys.executable, "-IS", "-c", program, str(parent)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    return {name: (loader, file, who) for name, loader, file, who in lines}


def _archive(parent: Path) -> Path:
    return parent / "shim" / "__pycache__" / f"hot.{sys.implementation.cache_tag}.bin"


def test_first_use_makes_the_file_and_the_next_one_takes_it(parent: Path) -> None:
    """All but `hot` itself comes from the one file, under the names and paths of an ordinary import."""
    first = _loaded(parent)
    made = _archive(parent).stat()
    second = _loaded(parent)
    assert [first.pop(f"shim.{name}")[0] for name in ("hot", "hot_file")] == ["SourceFileLoader"] * 2
    assert first == second
    assert _archive(parent).stat().st_mtime_ns == made.st_mtime_ns
    assert {loader for loader, _, _ in second.values()} == {"Finder"}
    assert second["shim.rules.memory"][1] == str(parent / "shim/rules/memory.py")
    assert second["shim.host"][1] == str(parent / "shim/host/__init__.py")
    assert os.listdir(parent / "shim" / "rules") == [
        n for n in os.listdir(parent / "shim" / "rules") if n[-3:] == ".py"
    ]


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
    """A source of another time or size is never answered from the file, which follows by itself."""
    assert _loaded(parent)["shim.oci.text"][2] == ""
    change(parent / "shim/oci/text.py")
    loader, _, who = _loaded(parent)["shim.oci.text"]
    assert (loader, who) == ("Finder", "new")


def test_changed_loader_counts_at_once(parent: Path) -> None:
    """shim.start.hot, whose code the file has, too, is the source's when that has changed, and the file's the next time."""
    _loaded(parent)
    assert "shim.start.hot" not in _loaded(parent)
    _kept_time(parent / "shim/start/hot.py")
    assert _loaded(parent)["shim.start.hot"] == ("SourceFileLoader", str(parent / "shim/start/hot.py"), "new")
    from_the_file = f"{START}\nprint('shim.start.hot', 'shim.start.hot' in sys.modules, '-', hot.WHO)"
    assert _loaded(parent, from_the_file)["shim.start.hot"] == ("False", "-", "new")


def test_read_only_prefix_is_left_alone(parent: Path) -> None:
    """Where nothing can be written and the file does not fit, modules are imported one by one, and up to date."""
    assert _loaded(parent)
    _kept_time(parent / "shim/oci/text.py")
    before = _archive(parent).read_bytes()
    program = f"import os\nos.access = lambda *a, **k: False\n{PROGRAM}"
    argv = [sys.executable, "-IS", "-c", program, str(parent)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert f"shim.oci.text SourceFileLoader {parent}/shim/oci/text.py new" in done.stdout.splitlines()
    assert _archive(parent).read_bytes() == before


def _head(version: str, size: int | str) -> bytes:
    return f"{version} {size}".encode().ljust(hot.HEAD)


def _content(value: Any) -> bytes:
    first = marshal.dumps(value)
    start = marshal.dumps(compile(hot.START.format(size=len(first)), "start", "exec"))
    return _head(sys.version, len(start)) + start + first


GONE = {"shim.x": ("shim/x.py", False, 1, 2)}
OWN = hot_file.compiled((ROOT / "shim/start/hot.py").read_bytes(), "hot.py")
NO_ARCHIVES = {
    "empty": b"",
    "noise": b"\xff\xfe\x00no table",
    "head-alone": _head(sys.version, 700),
    "head-without-a-size": _head(sys.version, ""),
    "cut": _content((OWN, GONE, [], {}))[:-9],
    "cut-in-the-start": _content((OWN, GONE, [], {}))[: hot.HEAD + 20],
    "endless": _head(sys.version, 1 << 70),
    "longer-than-memory": _head(sys.version, 1 << 50) + marshal.dumps(0),
    "another-interpreter": _content((OWN, {}, [], {})).replace(sys.version[:8].encode(), b"3.99.99 "),
    "an-earlier-release": b"\xa7\r\r\n" + sys.version.encode() + bytes(8) + marshal.dumps(({}, [], {})),
    "another-shape": _content([1, 2]),
    "of-a-file-that-is-gone": _content((OWN, GONE, [], {})),
}


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=list(NO_ARCHIVES))
def test_file_that_is_no_archive_is_replaced(parent: Path, content: bytes) -> None:
    """Whatever lies under the name, the program runs, and a good file takes its place."""
    _archive(parent).write_bytes(content)
    assert _loaded(parent)["shim.call.entry"][0] == "Finder"
    made = hot_file.read(str(_archive(parent)))
    assert made
    assert all(hot.is_current(source, str(parent)) for source in made.sources.values())


def test_interpreter_with_an_endless_name_gets_no_file(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file could not be told from another's, and would be made at every call; the ordinary import does."""
    monkeypatch.setattr(sys, "version", sys.version + "x" * hot.HEAD)
    assert hot_file.made_anew(str(parent)) is None
    assert not _archive(parent).exists()


def test_broken_source_is_told_by_the_ordinary_import(parent: Path) -> None:
    """No file is made of a package that cannot be compiled; the error names the source and its line."""
    (parent / "shim/planning/plan.py").write_text("def\n")
    argv = [sys.executable, "-IS", "-c", PROGRAM, str(parent)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert "plan.py" in done.stderr
    assert "SyntaxError" in done.stderr
    assert not _archive(parent).exists()


def test_core_comes_in_the_order_of_its_imports(parent: Path) -> None:
    """Each module of the core stands behind its package; all that is named for it exists, and more comes with it."""
    made = hot_file.write(str(parent), None)
    assert made
    order = [name for name, _ in made.core]
    assert set(hot_file.CORE) < set(order)
    assert len(order) == len(set(order))
    assert [name for name in order if name.rpartition(".")[0] not in ("", *order[: order.index(name)])] == []
    assert order.index("shim.values") < order.index("shim.rules.base") < order.index("shim.planning.plan")
    assert "shim.rules.unified" not in order
    assert [name for name in order if is_cold(name)] == []


def test_rest_is_loaded_when_it_is_asked_for(parent: Path) -> None:
    """A module outside the core comes from the file, too, but not before it is imported."""
    program = PROGRAM.replace(f"import {MODULES}", "import shim.rules.unified")
    asked, unasked = _loaded(parent, program), _loaded(parent)
    assert asked["shim.rules.unified"] == ("Finder", str(parent / "shim/rules/unified.py"), "")
    assert "shim.rules.unified" not in unasked


def test_changed_module_of_the_rest_counts_at_once(parent: Path) -> None:
    """It is imported from its source, while the core, which is as it was, still comes from the file."""
    program = PROGRAM.replace(f"import {MODULES}", "import shim.rules.unified, shim.planning.plan")
    assert _loaded(parent, program)["shim.rules.unified"][0] == "Finder"
    before = _archive(parent).read_bytes()
    _kept_size(parent / "shim/rules/unified.py")
    found = _loaded(parent, program)
    assert (found["shim.rules.unified"][::2], found["shim.planning.plan"][0]) == (("SourceFileLoader", "new"), "Finder")
    assert _archive(parent).read_bytes() == before


def test_compiled_code_keeps_fields_and_lines() -> None:
    """Docstrings, annotations of functions and guarded imports go; fields of values and line numbers stay."""
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
'''
    space: dict[str, object] = {}
    exec(hot_file.compiled(source, "/there.py"), space)
    assert space["Other"] == 1
    assert space["Point"].__annotations__ == {"x": "Any", "y": "int"}
    function = space["f"]
    assert callable(function)
    assert (function.__doc__, function.__annotations__) == (None, {})
    with pytest.raises(LookupError) as caught:
        function(1)
    assert [(str(entry.path), entry.lineno + 1) for entry in caught.traceback][-1] == ("/there.py", 16)


def test_command_makes_the_file(parent: Path) -> None:
    """`python3 -m shim.start.hot` makes it, also where there was no __pycache__ yet."""
    shutil.rmtree(parent / "shim" / "__pycache__")
    subprocess.run([sys.executable, "-B", "-m", "shim.start.hot"], cwd=parent, check=True)
    made = hot_file.read(str(_archive(parent)))
    assert made
    assert all(hot.is_current(source, str(parent)) for source in made.sources.values())
