"""The wheel, installed as README says: its launcher finds its package and interpreter by itself."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from integration.capabilities import require, root_problem
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


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_of_the_sdist_is_the_same(tmp_path: Path) -> None:
    """`python -m build` makes the sdist and the wheel out of it: both have all that the checkout has."""
    build = f"from hatchling.build import build_sdist; print(build_sdist({str(tmp_path)!r}))"
    done = call([sys.executable, "-c", build], env=ENVIRONMENT, cwd=str(ROOT))
    assert done.status == 0, str(done)
    sdist = tmp_path / done.out.split()[-1]
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"README.md", "CHANGELOG.md", "docs/man/cgshim.8", "examples/quickstart.sh", "tests/run.sh"}
    for source, place in ((".", tmp_path / "checkout"), (str(sdist), tmp_path / "sdist")):
        _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), source)
    (checkout,), (unpacked,) = ((tmp_path / name).glob("*.whl") for name in ("checkout", "sdist"))
    assert unpacked.name == checkout.name == f"cgshim-{__version__}-py3-none-any.whl"
    assert _contents(unpacked) == _contents(checkout)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What `python -m build` makes of this checkout: "sdist" and "wheel", the wheel out of the sdist."""
    require("build", "" if importlib.util.find_spec("build") else "the module `build` is not installed")
    place = tmp_path_factory.mktemp("release")
    done = call(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place), "."],
        env=ENVIRONMENT,
        cwd=str(ROOT),
    )
    assert done.status == 0, str(done)
    names = {"sdist": f"cgshim-{__version__}.tar.gz", "wheel": f"cgshim-{__version__}-py3-none-any.whl"}
    assert {path.name for path in place.iterdir()} == set(names.values())
    return {kind: place / name for kind, name in names.items()}


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_release_installs_and_runs_in_an_empty_root(kind: str, release: dict[str, Path], tmp_path: Path) -> None:
    """Each file of a release, in a virtual environment of its own."""
    venv.create(tmp_path / "prefix", with_pip=False)
    python = str(tmp_path / "prefix" / "bin" / "python")
    # A wheel is made of the sdist first, by the backend that is here, so that pip needs no network.
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(release[kind]))
    (wheel,) = tmp_path.glob("*.whl")
    _pip("--python", python, "install", "--quiet", "--no-deps", str(wheel))
    (tmp_path / "root").mkdir()
    _runs_in_an_empty_root(tmp_path / "prefix", tmp_path / "root")


def test_it_runs_in_an_empty_root(prefix: Path, tmp_path: Path) -> None:
    """The launcher and the tool in a root that has the installation, an interpreter and a shell, and nothing else."""
    _runs_in_an_empty_root(prefix, tmp_path)


def _runs_in_an_empty_root(prefix: Path, root: Path) -> None:
    require("root", root_problem())
    places = [place for place in ("/usr", "/lib", "/lib64", "/bin", "/proc", "/dev") if os.path.isdir(place)]
    mounts = "".join(f"mkdir -p {root}{place}; mount --rbind {place} {root}{place}\n" for place in places)
    packages = Path(click.__file__).resolve().parent.parent
    script = (
        f"set -e\nmount -t tmpfs none {root}\n{mounts}"
        f"for d in {prefix} {packages}; do mkdir -p {root}$d; mount --bind $d {root}$d; done\n"
        f"chroot {root} {prefix}/bin/cgshimctl version --json\n"
        f"chroot {root} {prefix}/bin/cgshimctl -V\n"
        f"chroot {root} {prefix}/bin/cgshim create --bundle /nowhere c1 2>&1 || echo status $?\n"
    )
    environment = {**ENVIRONMENT, "PYTHONPATH": str(packages)}
    done = call(["unshare", "--mount", "sh", "-c", script], env=environment)
    assert done.status == 0, str(done)
    version, tool, *refused = _parts(done.out)
    assert json.loads(version)["cgshim"] == __version__
    assert tool == f"cgshimctl {__version__}"
    assert "[no-" in refused[0] or "bundle" in refused[0], str(done)
    assert refused[-1] == "status 1"


def _parts(text: str) -> list[str]:
    """The JSON object as one element, then the lines behind it."""
    value, end = json.JSONDecoder().raw_decode(text)
    return [json.dumps(value), *text[end:].strip().splitlines()]
