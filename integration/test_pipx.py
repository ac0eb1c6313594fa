"""`pipx install`: both commands are there, the launcher finds its package through pipx's link, and removal is clean."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.capabilities import require
from integration.containers import SEARCH_PATH, Result, call
from shim import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 600  # seconds: pipx makes two environments and fetches pip
SOURCES = ("shim", "packaging", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture
def pipx(tmp_path: Path) -> Callable[..., Result]:
    """pipx with a home and a directory for links of its own; it uses the packages of this interpreter's host."""
    program = shutil.which("pipx", path=SEARCH_PATH)
    require("pipx", "" if program else "pipx is not installed")
    # HOME stays: pip finds its index in a file there.
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    environment = {**os.environ, "PATH": SEARCH_PATH, **places}

    def run(*arguments: str) -> Result:
        argv = (str(program), *arguments)
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=PATIENCE
        )
        return Result(argv, done.returncode, done.stdout, done.stderr)

    return run


def test_installed_with_pipx(pipx: Callable[..., Result], tmp_path: Path) -> None:
    """cgshimctl answers, cgshim explains a missing bundle in Python and passes the rest through; then both are gone."""
    source = tmp_path / "source"
    for name in (*SOURCES, *(path.name for path in ROOT.glob("hooks"))):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    result = pipx("install", "--system-site-packages", str(source))
    offline = "Could not find a version" in result.err + result.out
    require("package index", "pip cannot fetch what is needed" if offline else "")
    assert result.status == 0, str(result)
    links = tmp_path / "bin"
    assert sorted(path.name for path in links.iterdir()) == ["cgshim", "cgshim-hook", "cgshimctl"]
    bare = {"PATH": "/usr/bin:/bin", "CGSHIM_RUNTIME": "/bin/echo"}
    assert call([str(links / "cgshimctl"), "version"], env=bare).status == 0
    assert call([str(links / "cgshim"), "state", "x"], env=bare).out == "state x\n"
    failed = call([str(links / "cgshim"), "create", "--bundle", str(tmp_path / "absent"), "x"], env=bare)
    assert failed.status == 1
    assert f"the bundle {tmp_path}/absent does not exist" in failed.err, str(failed)
    done = pipx("run", "--system-site-packages", "--spec", str(source), "cgshim", "version")
    assert done.out.startswith(f"cgshim {__version__}"), str(done)
    assert pipx("uninstall", "cgshim").status == 0
    assert list(links.iterdir()) == []
