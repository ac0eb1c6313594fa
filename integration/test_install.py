"""The wheel, installed as README says: its launcher finds its package and interpreter by itself."""

from __future__ import annotations

import importlib.util
import json
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from integration.containers import SEARCH_PATH, Shim, call
from shim import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.bundle import Bundle
    from integration.containers import Runtime
    from integration.kernel import CgroupValues

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _pip(*args: str) -> None:
    result = call([sys.executable, "-m", "pip", *args], env=ENVIRONMENT, cwd=str(ROOT))
    assert result.status == 0, str(result)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that has the wheel of this checkout and nothing else."""
    assert importlib.util.find_spec("hatchling"), "the test group of pyproject.toml has hatchling"
    place = tmp_path_factory.mktemp("install")
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), ".")
    (wheel,) = place.glob("cgshim-*.whl")
    venv.create(place / "prefix", with_pip=False)
    _pip("--python", str(place / "prefix" / "bin" / "python"), "install", "--quiet", "--no-deps", str(wheel))
    return place / "prefix"


class Installed(Shim):
    """The launcher that the wheel installed."""

    launcher = Path()

    @property
    def prefix(self) -> tuple[str, ...]:
        """The executable itself: its mode and first line have to be right."""
        return (str(self.launcher), "--root", str(self.root))


@pytest.fixture
def installed(runtime: Runtime, prefix: Path, tmp_path: Path) -> Shim:
    """The installed launcher in front of `runtime`."""
    front = Installed(runtime, tmp_path / "settings.json")
    front.launcher = prefix / "bin" / "cgshim"
    front.settings()
    return front


def test_installed_launcher_enforces_limits(
    installed: Shim, bundle: Bundle, container: str, cgroup_values: Callable[[int], CgroupValues]
) -> None:
    """A pids limit that goes through the installed command is in the kernel."""
    bundle.configure(resources={"pids": {"limit": 27}})
    pid = installed.create(bundle, container)
    assert cgroup_values(pid).read("pids.max") == "27"


def test_launcher_is_a_shell_script(prefix: Path) -> None:
    """The command is the launcher as it stands in the repository, without a Python shebang in front."""
    assert (prefix / "bin" / "cgshim").read_bytes() == (ROOT / "shim" / "launcher.sh").read_bytes()


def test_no_name_is_taken(prefix: Path) -> None:
    """The package is found by the programs' own place, and cannot be imported by anything else."""
    assert (prefix / "lib" / "cgshim" / "shim" / "call" / "entry.py").is_file()
    assert not list(prefix.glob("lib/python3*/site-packages/shim*"))
    result = call([str(prefix / "bin" / "python3"), "-c", "import shim"], env=ENVIRONMENT, cwd=str(prefix))
    assert "ModuleNotFoundError: No module named 'shim'" in result.err


def test_the_tool_starts_from_anywhere(prefix: Path, tmp_path: Path) -> None:
    """cgshimctl runs the package beside it, whatever the working directory and PYTHONPATH have under that name."""
    (tmp_path / "shim").mkdir()
    (tmp_path / "shim" / "__init__.py").write_text("raise SystemExit('another one')")
    link = tmp_path / "cgshimctl"
    link.symlink_to(prefix / "bin" / "cgshimctl")
    # The environment has no click of its own: that of the tests is enough here.
    packages = Path(click.__file__).resolve().parent.parent
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}:{packages}"}
    result = call([str(link), "version", "--json"], env=environment, cwd=str(tmp_path))
    assert (result.status, json.loads(result.out)["cgshim"]) == (0, __version__), str(result)
    assert (prefix / "bin" / "cgshimctl").read_text().startswith(f"#!{prefix}/bin/python")


def test_the_environments_extension_is_found(prefix: Path) -> None:
    """The launcher's interpreter, isolated and without `site`, looks for python-prctl in the environment's packages."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from shim.start import extension as e\n"
        "e.found = lambda name, directories: print(directories[0]); e.third_party('_prctl')"
    )
    argv = [str(prefix / "bin" / "python3"), "-BIS", "-c", program, str(prefix / "lib" / "cgshim")]
    packages = f"{prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    assert call(argv, env=ENVIRONMENT).out.strip() == packages
