"""`engine install` in root trees laid out as distributions do it; made by hand, with the paths that they document."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from integration.capabilities import busybox_problem, require
from tests.engine_machine import Machine
from tests.syntax import ROOT


def _bare(root: Path) -> Machine:
    """A tree without a single program."""
    machine = Machine(root)
    shutil.rmtree(root / "usr")
    return machine


@pytest.fixture
def arch(tmp_path: Path) -> Machine:
    """Arch Linux: every program is in /usr/bin; /bin, /sbin and /usr/sbin are links to it."""
    machine = _bare(tmp_path)
    for name in ("python3", "runc", "crun", "podman", "containerd", "dockerd", "crio"):
        machine.program(f"/usr/bin/{name}", "#!/bin/sh\n# DOCKER_BUILDKIT_RUNC_COMMAND\n")
    (tmp_path / "usr/sbin").symlink_to("bin")
    for name in ("bin", "sbin"):
        (tmp_path / name).symlink_to("usr/bin")
    return machine


@pytest.fixture
def alpine(tmp_path: Path) -> Machine:
    """Alpine: /bin and /usr/bin are two directories, busybox is the shell, and runc comes from a package of its own."""
    machine = _bare(tmp_path)
    machine.program("/bin/busybox")
    (tmp_path / "bin/sh").symlink_to("/bin/busybox")
    for name in ("python3", "runc", "crun", "podman", "containerd", "dockerd", "crio"):
        machine.program(f"/usr/bin/{name}", "#!/bin/sh\n# DOCKER_BUILDKIT_RUNC_COMMAND\n")
    return machine


@pytest.fixture
def nixos(tmp_path: Path) -> Machine:
    """NixOS: programs below /nix/store, found in /run/current-system/sw/bin; /etc has links into the store."""
    machine = _bare(tmp_path)
    for name in ("python3", "runc", "podman"):
        machine.program(f"/nix/store/abc-{name}/bin/{name}")
    current = tmp_path / "run/current-system/sw/bin"
    current.mkdir(parents=True)
    for name in ("python3", "runc", "podman"):
        (current / name).symlink_to(f"/nix/store/abc-{name}/bin/{name}")
    machine.write("/nix/store/abc-etc/etc/containers/containers.conf", '[engine]\nruntime = "runc"\n')
    (tmp_path / "etc/containers").mkdir(parents=True)
    (tmp_path / "etc/static").symlink_to("/nix/store/abc-etc/etc")
    (tmp_path / "etc/containers/containers.conf").symlink_to("/nix/store/abc-etc/etc/containers/containers.conf")
    machine.python = "cgshim 3 12\n"
    return machine


def _entries(root: Path) -> dict[str, str]:
    """Every file and link of a tree, with its text or its target: absolute links lead nowhere from outside."""
    paths = [Path(directory) / name for directory, inner, names in os.walk(root) for name in (*inner, *names)]
    links = {str(path): os.readlink(path) for path in paths if path.is_symlink()}
    return {**links, **{str(path): path.read_text() for path in paths if path.is_file() and not path.is_symlink()}}


@pytest.mark.parametrize("engine", ["podman", "containerd", "docker", "crio"])
@pytest.mark.parametrize("distribution", ["arch", "alpine"])
def test_there_and_back(request: pytest.FixtureRequest, distribution: str, engine: str) -> None:
    """With a copy in /opt/cgshim: registered for the runtime that is there, and everything as before afterwards."""
    machine: Machine = request.getfixturevalue(distribution)
    before = machine.files("/etc")
    said = machine.install(engine, "--prefix", "/opt/cgshim")
    assert "is not installed here" not in said
    assert machine.has("/opt/cgshim/bin/cgshim-hook")
    assert "cgshim is already registered as" in machine.install(engine, "--prefix", "/opt/cgshim")
    machine.remove(engine, "--prefix", "/opt/cgshim")
    assert machine.files("/etc") == before
    assert not machine.has("/opt/cgshim")


def test_nixos(nixos: Machine) -> None:
    """Python and runc of the current system; what is in the store is read and not written."""
    before = _entries(nixos.root)
    runtime = "/run/current-system/sw/bin/runc"
    nixos.install("podman", "--prefix", "/opt/cgshim", "--runtime", runtime)
    python = nixos.root / "opt/cgshim/lib/cgshim/python"
    assert os.readlink(python) == "/run/current-system/sw/bin/python3"
    assert "/opt/cgshim/bin/cgshim-" in nixos.read("/etc/containers/containers.conf.d/50-cgshim.conf")
    entries = [nixos.read(f"/etc/cgshim/runtimes/{name}") for name in os.listdir(nixos.root / "etc/cgshim/runtimes")]
    assert entries == [f"{runtime}\n"]
    store = str(nixos.root / "nix")
    after = _entries(nixos.root)
    assert [path for path in after if path.startswith(store) and before.get(path) != after[path]] == []
    nixos.remove("podman", "--prefix", "/opt/cgshim")
    assert _entries(nixos.root) == before


def test_the_interpreter_is_chosen_by_busybox_too(tmp_path: Path) -> None:
    """packaging/choose_python.sh in the shell, and with the mv and ln, that Alpine has."""
    require("busybox", busybox_problem())
    script = tmp_path / "choose_python.sh"
    shutil.copy(ROOT / "packaging/choose_python.sh", script)
    tools = tmp_path / "bin"
    tools.mkdir()
    busybox = shutil.which("busybox") or "/bin/busybox"
    for name in ("sh", "ln", "mv", "dirname"):
        (tools / name).symlink_to(busybox)
    for _ in range(2):
        done = subprocess.run(
            [str(tools / "sh"), str(script)], check=False, capture_output=True, text=True, env={"PATH": str(tools)}
        )
        assert (done.returncode, done.stdout) == (0, "/usr/bin/python3\n"), done.stderr
        assert os.readlink(tmp_path / "python") == "/usr/bin/python3"
