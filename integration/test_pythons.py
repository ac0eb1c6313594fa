"""Every Python of this machine that cgshim is made for: all of the program loads, and a real runtime's limits hold."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from integration.capabilities import require
from integration.containers import Shim, call
from tests.extent import SAMPLE

if TYPE_CHECKING:
    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 7)
PLACES = ("/usr/bin/python3.*", "/usr/local/bin/python3.*", "/usr/libexec/platform-python")
VERSION = "import sys; print(sys.version_info[0], sys.version_info[1])"
COMPILE = "import sys; sys.path.insert(0, sys.argv[1]); from shim.start import archive_file; archive_file.main()"
LOAD = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import shim
for module in pkgutil.walk_packages(shim.__path__, "shim."):
    importlib.import_module(module.name)
    print(module.name)
"""


def _versions() -> dict[tuple[int, int], str]:
    """(major, minor) -> the first interpreter of that version."""
    pyenv = os.environ.get("PYENV_ROOT") or str(Path("~/.pyenv").expanduser())
    found: dict[tuple[int, int], str] = {}
    for pattern in (*PLACES, f"{pyenv}/versions/3.*/bin/python3"):
        for path in sorted(glob.glob(pattern)):
            if path.endswith("-config") or not os.access(path, os.X_OK):
                continue
            done = subprocess.run([path, "-I", "-c", VERSION], check=False, capture_output=True, text=True)
            if done.returncode == 0:
                major, minor = done.stdout.split()
                found.setdefault((int(major), int(minor)), path)
    return found


FOUND = _versions()
FIT = sorted(version for version in FOUND if version >= OLDEST)
CHOSEN = sorted({FIT[0], FIT[-1]}) if FIT and SAMPLE else FIT


def _name(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


@pytest.fixture(scope="module", params=CHOSEN or [sys.version_info[:2]], ids=_name)
def python(request: pytest.FixtureRequest) -> str:
    """The path of an interpreter."""
    version: tuple[int, int] = request.param
    return FOUND.get(version, sys.executable)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation, as a package makes it."""
    place = tmp_path_factory.mktemp("prefix")
    shutil.copytree(ROOT / "shim", place / "lib/cgshim/shim", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "bin").mkdir()
    shutil.copy(ROOT / "shim/launcher.sh", place / "bin/cgshim")
    for program in ROOT.glob("hooks/cgshim-hook"):
        shutil.copy(program, place / "bin")
    return place


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries of packaging/bundled.txt, which every Python can use."""
    place = tmp_path_factory.mktemp("libraries")
    wanted = ("--only-binary=:all:", "--python-version=3.7", "-r", str(ROOT / "packaging/bundled.txt"))
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), *wanted]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    offline = "No matching distribution" in done.stderr
    require("package index", "pip cannot fetch what is needed" if offline else "")
    assert done.returncode == 0, done.stderr
    return place


class Installed(Shim):
    """The launcher of that installation."""

    launcher = Path()

    @property
    def prefix(self) -> tuple[str, ...]:
        """The command up to the subcommand."""
        return ("/bin/sh", str(self.launcher), "--root", str(self.root))


@pytest.fixture
def front(runtime: Runtime, prefix: Path, tmp_path: Path) -> Installed:
    """The installed launcher in front of `runtime`."""
    made = Installed(runtime, tmp_path / "settings.json")
    made.launcher = prefix / "bin" / "cgshim"
    made.settings()
    return made


def test_every_module_loads(python: str, prefix: Path, libraries: Path) -> None:
    """No module uses at its import what this version lacks; the libraries are those of the rpm."""
    argv = [python, "-IB", "-c", LOAD, str(prefix / "lib" / "cgshim"), str(libraries)]
    done = call(argv, env={"PATH": "/usr/bin:/bin"})
    assert (done.status, done.err) == (0, ""), str(done)
    assert {"shim.call.entry", "shim.cli.engine"} <= set(done.out.split())


@pytest.fixture(params=["archive", "sources"])
def code(request: pytest.FixtureRequest, python: str, prefix: Path) -> None:
    """The installation with its code compiled by this interpreter, and without."""
    for file in prefix.glob("lib/cgshim/shim/__pycache__/hot.*.bin"):
        file.unlink()
    if request.param == "archive":
        done = call([python, "-I", "-c", COMPILE, str(prefix / "lib" / "cgshim")], env={"PATH": "/usr/bin:/bin"})
        assert (done.status, done.err) == (0, ""), str(done)
        assert list(prefix.glob("lib/cgshim/shim/__pycache__/hot.*.bin"))


@pytest.mark.usefixtures("code")
def test_limits_hold(
    python: str, front: Installed, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """Limits of a create, an update from standard input and a run are the kernel's."""
    front.extra_environment["CGSHIM_PYTHON"] = python
    bundle.configure(resources={"unified": {"pids.max": "27"}})
    pid = front.create(bundle, container)
    assert cgroup_values(pid).read("pids.max") == "27"
    resources = {"unified": {"pids.max": "31"}}
    front.must("update", "--resources", "-", container, stdin=json.dumps(resources))
    assert cgroup_values(pid).read("pids.max") == "31"
    front.must("run", "--detach", "--bundle", str(bundle.path), f"{container}-run")
    assert cgroup_values(front.pid(f"{container}-run")).read("pids.max") == "27"


def test_refusals_are_words(python: str, front: Installed, bundle: Bundle, container: str) -> None:
    """A limit that no host can enforce is refused with the message, not with a traceback."""
    front.extra_environment["CGSHIM_PYTHON"] = python
    bundle.configure(resources={"unified": {"memory.nonsense": "1"}})
    done = front("create", "--bundle", str(bundle.path), container)
    assert done.status == 1
    assert "memory.nonsense" in done.err
    assert "Traceback" not in done.err, str(done)


def test_too_old(front: Installed, bundle: Bundle, container: str) -> None:
    """A Python before 3.7 is named, and what to install."""
    old = [path for version, path in FOUND.items() if (3, 6) <= version < OLDEST]
    require("Python 3.6", "" if old else "there is none")
    front.extra_environment["CGSHIM_PYTHON"] = old[0]
    done = front("create", "--bundle", str(bundle.path), container)
    assert done.status == 1
    assert f"cause: {old[0]} is Python 3.6." in done.err
    assert "cgshim needs 3.7 or newer" in done.err
    assert "remedy: install a newer one" in done.err
