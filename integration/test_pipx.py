"""`pipx install`: both commands are there, the launcher finds its package through pipx's link, and removal is clean."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.containers import SEARCH_PATH, Result, call

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("shim", "hooks", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture
def pipx(tmp_path: Path) -> Callable[..., Result]:
    """pipx with a home and a directory for links of its own; it uses the packages of this interpreter's host."""
    program = shutil.which("pipx", path=SEARCH_PATH)
    require("pipx", "" if program else "pipx is not installed")
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL"))},
        "PATH": SEARCH_PATH,
        "HOME": str(tmp_path),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
    }

    def run(*arguments: str) -> Result:
        return call([str(program), *arguments], env=environment, cwd=str(tmp_path))

    return run


def test_installed_with_pipx(pipx: Callable[..., Result], tmp_path: Path) -> None:
    """cgshimctl answers, cgshim explains a missing bundle in Python and passes the rest through; then both are gone."""
    source = tmp_path / "source"
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    result = pipx("install", "--system-site-packages", str(source))
    offline = "Could not find a version" in result.err + result.out
    require("package index", "pip cannot fetch what is needed" if offline else "")
    assert result.status == 0, str(result)
    links = tmp_path / "bin"
    assert sorted(path.name for path in links.iterdir()) == ["cgshim", "cgshimctl"]
    bare = {"PATH": "/usr/bin:/bin", "CGSHIM_RUNTIME": "/bin/echo"}
    assert call([str(links / "cgshimctl"), "version"], env=bare).status == 0
    assert call([str(links / "cgshim"), "state", "x"], env=bare).out == "state x\n"
    failed = call([str(links / "cgshim"), "create", "--bundle", str(tmp_path / "absent"), "x"], env=bare)
    assert failed.status == 1
    assert f"the bundle {tmp_path}/absent does not exist" in failed.err, str(failed)
    assert pipx("uninstall", "cgshim").status == 0
    assert list(links.iterdir()) == []
