"""The rpm package: built, installed, used, upgraded and removed with `rpm --root` in a tree of its own."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from integration.bundle import find_busybox, make_bundle
from integration.capabilities import busybox_problem, program_problem, require
from integration.containers import SEARCH_PATH, Result, call, find_runtime
from integration.private_root import ENTER, entered
from shim import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {"PATH": SEARCH_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}
# The tree is entered by rpm itself, for its scriptlets; --nodeps, because a Debian's files are in no rpm database.
ENTER_WITH_RPM = ENTER.replace("exec chroot", 'export TREE="$PLACE/root"\nexec sh -euc "$1"\n#')
INSTALL = 'rpm --root "$TREE" --dbpath /var/lib/rpm-of-test --nodeps --nosignature --force-debian'
CHROOT = 'chroot "$TREE" sh -euc'


def _build(place: Path, release: str = "") -> Path:
    """The package; `release` makes another one of the same contents, to upgrade to."""
    source = place / "source"
    for name in ("shim", "hooks", "packaging", "docs", "examples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.md"):
        shutil.copy(path, source)
    shutil.copy(ROOT / "LICENSE", source)
    if release:
        init = source / "shim" / "__init__.py"
        init.write_text(init.read_text().replace(__version__, release))
    environment = {**os.environ, **ENVIRONMENT, "PYTHON": sys.executable}
    done = call(["bash", str(source / "packaging/rpm/build.sh"), str(place)], env=environment)
    offline = "No matching distribution" in done.err
    require("package index", "pip cannot fetch what is needed" if offline else "")
    assert done.status == 0, str(done)
    return Path(done.out.strip())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the private root sees as /shared, with two versions of the package in it."""
    require("rpmbuild", program_problem("rpmbuild", "rpm"))
    place = tmp_path_factory.mktemp("rpm")
    (place / "old").mkdir()
    (place / "new").mkdir()
    _build(place / "old").rename(place / "cgshim.rpm")
    _build(place / "new", "99.0").rename(place / "newer.rpm")
    return place


@pytest.fixture(scope="module")
def outside(shared: Path) -> Iterator[Callable[[str], Result]]:
    """Runs shell text beside the tree $TREE; what it changes is kept from one call to the next."""
    yield from entered("rpm", shared, ENVIRONMENT, ENTER_WITH_RPM)


@pytest.fixture(scope="module")
def installed(outside: Callable[[str], Result]) -> Callable[[str], Result]:
    """The tree with the package, where python3 is too old as on RHEL 8; the text runs inside."""
    own = f"/usr/bin/python3.{sys.version_info[1]}"
    require("a python3.N in /usr/bin", "" if os.access(own, os.X_OK) else f"there is no {own}")
    result = outside(f'ln -sfn false "$TREE/usr/bin/python3"\n{INSTALL} -i "$SHARED/cgshim.rpm"')
    assert (result.status, result.err) == (0, ""), str(result)
    return lambda text: outside(f"{CHROOT} '{text}'")


def test_what_it_asks_for(shared: Path) -> None:
    """A shell and any Python from 3.7 on; nothing that one distribution alone has."""
    result = call(["rpm", "-qp", "--nosignature", "--requires", str(shared / "cgshim.rpm")], env=ENVIRONMENT)
    asked = {line for line in result.out.splitlines() if not line.startswith("rpmlib(")}
    assert asked == {"/bin/sh", "python(abi) >= 3.7"}


def test_a_fit_interpreter_is_chosen(installed: Callable[[str], Result]) -> None:
    """Not the python3 that is too old; the code is compiled by the one that was chosen."""
    result = installed("readlink /usr/lib/cgshim/python; ls /usr/lib/cgshim/shim/__pycache__")
    chosen, *files = result.out.split()
    assert chosen.startswith("/usr/bin/python3.")
    assert [name for name in files if name.startswith("hot.cpython-") and name.endswith(".bin")]


def test_container_through_the_package(installed: Callable[[str], Result], shared: Path) -> None:
    """The launcher takes the chosen interpreter and runs a container with a limit; cgshimctl has its libraries."""
    require("busybox", busybox_problem())
    require("runc", "" if find_runtime("runc") else "runc is not installed")
    bundle = make_bundle(shared / "bundle", find_busybox())
    bundle.configure(args=["/bin/echo", "alive"], resources={"unified": {"pids.max": "27"}})
    name = f"cgshim-rpm-{os.getpid()}"
    result = installed(f"cgshim-runc --root /tmp/state run --bundle /shared/bundle {name}")
    assert (result.status, result.out) == (0, "alive\n"), str(result)
    result = installed("cgshimctl version; cgshimctl engine print podman")
    assert result.status == 0, str(result)
    assert f"cgshim {__version__}" in result.out
    assert "/usr/bin/cgshim" in result.out


def test_upgrade_and_removal(outside: Callable[[str], Result], installed: Callable[[str], Result]) -> None:
    """An upgrade compiles the new code and warns of nothing; a removal names the engine's file and leaves no file."""
    installed("cgshimctl engine install buildkit >/dev/null")
    result = outside(f'{INSTALL} -U "$SHARED/newer.rpm"')
    assert (result.status, result.err) == (0, ""), str(result)
    result = installed("cgshimctl version; ls /usr/lib/cgshim/shim/__pycache__")
    assert "cgshim 99.0" in result.out
    assert "hot.cpython-" in result.out
    result = outside(f"{INSTALL} -e cgshim\nfind \"$TREE/usr\" -xdev -path '*/usr/*cgshim*' -print")
    assert result.status == 0, str(result)
    assert re.search(r"^cgshim: buildkit still calls /usr/bin/cgshim; see /etc/\S+$", result.err, re.MULTILINE)
    assert result.out == ""
