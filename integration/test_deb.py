"""The Debian package: built, clean by lintian, installed, used and removed in a root of its own."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from integration.bundle import find_busybox, make_bundle
from integration.capabilities import busybox_problem, require
from integration.containers import SEARCH_PATH, Result, call, find_runtime
from integration.private_root import ENTER, entered
from shim import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = {
    "PATH": SEARCH_PATH,
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_SUSPEND": "1",
}


def _program(name: str) -> None:
    require(name, "" if shutil.which(name, path=SEARCH_PATH) else f"{name} is not installed")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is made of."""
    place = tmp_path_factory.mktemp("source")
    for name in ("shim", "packaging", "docs", "examples", *(path.name for path in ROOT.glob("hooks"))):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE"):
        shutil.copy(ROOT / name, place)
    return place


def _build(source: Path, place: Path) -> Path:
    environment = {**ENVIRONMENT, "PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
    result = call(["bash", str(source / "packaging/deb/build.sh"), str(place)], env=environment)
    assert result.status == 0, str(result)
    return Path(result.out.strip())


@pytest.fixture(scope="module")
def shared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the private root sees as /shared, with the package in it."""
    _program("dpkg-deb")
    place = tmp_path_factory.mktemp("deb")
    _build(source, place).rename(place / "cgshim.deb")
    return place


@pytest.fixture(scope="module")
def inside(shared: Path) -> Iterator[Callable[[str], Result]]:
    """Runs shell text in the private root; what it changes is kept from one call to the next."""
    yield from entered("deb", shared, ENVIRONMENT, ENTER)


@pytest.fixture(scope="module")
def installed(inside: Callable[[str], Result]) -> Callable[[str], Result]:
    """The private root with the package and what it depends on."""
    before = inside("find /etc -type f | sort").out
    result = inside("dpkg -i /shared/cgshim.deb </dev/null")
    if "dependency problems" in result.err:
        result = inside("apt-get update -qq && apt-get install -f -y -qq --no-install-recommends </dev/null")
    assert result.status == 0, str(result)
    added = set(inside("find /etc -type f | sort").out.splitlines()) - set(before.splitlines())
    assert [path for path in added if "apt/" not in path] == []
    return inside


def test_lintian_is_content(shared: Path) -> None:
    """No error, no warning."""
    _program("lintian")
    result = call(["lintian", "--fail-on", "error,warning", str(shared / "cgshim.deb")], env=ENVIRONMENT)
    tags = [line for line in result.out.splitlines() if line[:2] in ("E:", "W:")]
    assert (result.status, tags) == (0, []), str(result)


def test_build_is_reproducible(source: Path, shared: Path, tmp_path: Path) -> None:
    """Two builds of the same source give the same bytes."""
    assert _build(source, tmp_path).read_bytes() == (shared / "cgshim.deb").read_bytes()


def test_nothing_is_registered(installed: Callable[[str], Result]) -> None:
    """No engine calls cgshim after the installation alone."""
    for engine in ("podman", "containerd", "docker", "crio", "buildkit"):
        result = installed(f"cgshimctl engine status {engine}")
        assert result.status == 1, str(result)
        absent = f"not installed  registered  no {engine} here"
        assert result.out.strip() in (absent, f"not registered  registered  no entry for cgshim in {engine}'s files")


def test_code_is_compiled(installed: Callable[[str], Result]) -> None:
    """No container's start has to compile anything."""
    result = installed("ls /usr/lib/cgshim/shim/__pycache__ /usr/lib/cgshim/shim/cli/__pycache__")
    assert [line for line in result.out.splitlines() if line.startswith("hot.cpython-") and line.endswith(".bin")]
    assert [line for line in result.out.splitlines() if line.startswith("main.cpython-") and line.endswith(".pyc")]


def test_it_copies_itself(installed: Callable[[str], Result]) -> None:
    """`engine install --prefix`, with which an image brings cgshim onto a node, has the launcher to copy."""
    result = installed(
        "cgshimctl engine install buildkit --prefix /opt/cgshim --config /tmp/buildkitd.toml >/dev/null\n"
        "cmp /opt/cgshim/bin/cgshim /usr/bin/cgshim && /opt/cgshim/bin/cgshim --version\n"
        "cgshimctl engine remove buildkit --prefix /opt/cgshim --config /tmp/buildkitd.toml >/dev/null"
    )
    assert result.status == 0, str(result)
    assert result.out.startswith("runc version"), str(result)


def test_container_through_the_package(installed: Callable[[str], Result], shared: Path) -> None:
    """/usr/bin/cgshim finds its package and its interpreter and runs a container with a limit."""
    require("busybox", busybox_problem())
    require("runc", "" if find_runtime("runc") else "runc is not installed")
    bundle = make_bundle(shared / "bundle", find_busybox())
    bundle.configure(args=["/bin/echo", "alive"], resources={"pids": {"limit": 27}})
    name = f"cgshim-deb-{os.getpid()}"
    result = installed(f"cgshim --root /tmp/state run --bundle /shared/bundle {name}")
    assert (result.status, result.out) == (0, "alive\n"), str(result)


def test_completion_knows_the_commands(installed: Callable[[str], Result]) -> None:
    """The file for bash is bash, and what it calls answers."""
    result = installed(
        "bash -n /usr/share/bash-completion/completions/cgshimctl\n"
        "COMP_WORDS='cgshimctl engine inst' COMP_CWORD=2 _CGSHIMCTL_COMPLETE=bash_complete cgshimctl"
    )
    assert result.out == "plain,install\n", str(result)


def test_manual_pages_are_found(installed: Callable[[str], Result]) -> None:
    """All three pages are where man looks."""
    pages = ("man8/cgshim.8.gz", "man8/cgshimctl.8.gz", "man5/cgshim-config.5.gz")
    result = installed("cd /usr/share/man && zcat " + " ".join(pages))
    assert [line for line in result.out.splitlines() if line.startswith(".TH")] == [
        f'.TH {name} {section} "" "cgshim {__version__}" "{title}"'
        for name, section, title in (
            ("CGSHIM", 8, "System Administration"),
            ("CGSHIMCTL", 8, "System Administration"),
            ("CGSHIM\\-CONFIG", 5, "File Formats"),
        )
    ]


def test_readme_leads_somewhere(installed: Callable[[str], Result]) -> None:
    """What the installed README links to is installed; the licence is Debian's own file."""
    readme = (ROOT / "README.md").read_text()
    links = {link for link in re.findall(r"\]\(([^):#]+)[)#]", readme) if "//" not in link} - {
        "LICENSE",
        "CHANGELOG.md",
    }
    assert "docs/engines.md" in links
    result = installed("cd /usr/share/doc/cgshim && ls -d " + " ".join(sorted(links)))
    assert (result.status, set(result.out.split())) == (0, links), str(result)


def test_what_the_build_lacks_is_named(source: Path, tmp_path: Path) -> None:
    """On a Debian without click the build says what to install, and writes nothing."""
    bare = tmp_path / "python3"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -IS "$@"\n')
    bare.chmod(0o755)
    place = tmp_path / "out"
    place.mkdir()
    environment = {**ENVIRONMENT, "PYTHON": str(bare)}
    result = call(["bash", str(source / "packaging/deb/build.sh"), str(place)], env=environment)
    assert result.status == 1
    assert "lacks click or tomlkit" in result.err
    assert "apt-get install python3-click python3-tomlkit" in result.err
    assert list(place.iterdir()) == []


def test_removal_leaves_nothing(installed: Callable[[str], Result]) -> None:
    """An engine that still calls cgshim is named; of the package itself no file stays."""
    result = installed(
        "cgshimctl engine install buildkit >/dev/null\n"
        "dpkg -r cgshim </dev/null\n"
        "find /usr -xdev -path '*cgshim*' -print"
    )
    assert result.status == 0, str(result)
    assert re.search(r"^cgshim: buildkit still calls /usr/bin/cgshim; see /etc/\S+$", result.err, re.MULTILINE), str(
        result
    )
    assert "run: cgshimctl engine remove buildkit" in result.err
    assert [line for line in result.out.splitlines() if line.startswith("/usr/") and "dpkg" not in line] == []
