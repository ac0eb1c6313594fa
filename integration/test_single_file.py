"""The single file: built, and on a host with nothing but a Python installed, used, updated and taken away."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.containers import SEARCH_PATH, Result, Shim, call
from integration.kernel import CgroupValues
from integration.test_pythons import FIT, FOUND
from shim import __version__

if TYPE_CHECKING:
    from integration.bundle import Bundle
    from integration.containers import Runtime

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}
OLDEST = FOUND[FIT[0]] if FIT else sys.executable


def _build(place: Path) -> Path:
    environment = {**os.environ, **ENVIRONMENT, "PYTHON": sys.executable}
    done = call(["bash", str(ROOT / "packaging/single/build.sh"), str(place)], env=environment)
    offline = "No matching distribution" in done.err
    require("package index", "pip cannot fetch what is needed" if offline else "")
    assert done.status == 0, str(done)
    return Path(done.out.strip())


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file."""
    return _build(tmp_path_factory.mktemp("single"))


def _run(single: Path, *arguments: str, python: str = OLDEST) -> Result:
    return call([python, "-I", str(single), *arguments], env=ENVIRONMENT)


class Installed(Shim):
    """The launcher that the file has installed."""

    launcher = Path()

    @property
    def prefix(self) -> tuple[str, ...]:
        """The executable itself."""
        return (str(self.launcher), "--root", str(self.root))


def test_it_is_cgshimctl(single: Path) -> None:
    """Without an installation, with the oldest Python of this host; what needs an installation says so."""
    done = _run(single, "version")
    assert (done.status, done.out.split()[:2]) == (0, ["cgshim", __version__]), str(done)
    done = _run(single, "engine", "status", "podman")
    assert done.status == 3
    assert done.err.splitlines() == [
        "cgshim: engine needs an installation [single-file]",
        f"  remedy: run: {single} install, then PREFIX/bin/cgshimctl",
    ]


def test_build_is_reproducible(single: Path, tmp_path: Path) -> None:
    """Two builds of the same source give the same bytes."""
    assert _build(tmp_path).read_bytes() == single.read_bytes()


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Where it goes."""
    return tmp_path / "opt"


@pytest.fixture
def front(runtime: Runtime, prefix: Path, tmp_path: Path) -> Installed:
    """The launcher that will be there, in front of `runtime`."""
    made = Installed(runtime, tmp_path / "settings.json")
    made.launcher = prefix / "bin" / f"cgshim-{runtime.name}"
    made.settings()
    return made


def test_installed_limits_hold(single: Path, prefix: Path, front: Installed, bundle: Bundle, container: str) -> None:
    """Installed by the oldest Python, twice; the launcher uses that one, and the limit is the kernel's."""
    for _ in range(2):
        done = _run(single, "install", str(prefix))
        assert (done.status, done.err) == (0, ""), str(done)
    assert (prefix / "lib/cgshim/python").resolve() == Path(OLDEST).resolve()
    assert sorted(path.name for path in (prefix / "lib").iterdir()) == ["cgshim"]
    bundle.configure(resources={"unified": {"pids.max": "27"}})
    assert CgroupValues(front.create(bundle, container)).read("pids.max") == "27"
    done = _run(single, "uninstall", str(prefix))
    assert (done.status, done.err) == (0, ""), str(done)
    assert not prefix.exists()


def test_refusals(single: Path, tmp_path: Path) -> None:
    """A relative prefix, a place that cannot be written to, nothing to take away: one message, nothing left."""
    done = _run(single, "install", "opt")
    assert (done.status, done.err.splitlines()[0]) == (3, "cgshim: 'opt' is not an absolute path [single-file]")
    done = _run(single, "install", "/proc/opt")
    assert (done.status, done.err.count("\n")) == (3, 2), str(done)
    assert "Traceback" not in done.err
    done = _run(single, "uninstall", str(tmp_path / "none"))
    assert done.err.startswith(f"cgshim: there is no cgshim in {tmp_path}/none [single-file]\n")
    done = _run(single, "install", "/opt/a", "/opt/b")
    assert done.status == 2, str(done)


def test_python_that_is_too_old(single: Path, tmp_path: Path) -> None:
    """It hands on to a newer one in the standard directories."""
    old = [path for version, path in FOUND.items() if version == (3, 6)]
    require("Python 3.6", "" if old else "there is none")
    newer = [path for path in FOUND.values() if path.startswith(("/usr/bin/", "/usr/local/bin/"))]
    require("a newer Python in the standard directories", "" if newer else "there is none")
    copy = shutil.copy(single, tmp_path / "cgshim.pyz")
    done = _run(Path(copy), "version", python=old[0])
    assert (done.status, done.out.split()[:2]) == (0, ["cgshim", __version__]), str(done)
